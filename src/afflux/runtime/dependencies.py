"""What else a controller watches: objects of other kinds (or its own) whose change wakes some of its own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from afflux.kube.client import Selection
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Manifest
from afflux.runtime.ends import Cause
from afflux.runtime.informer import Informer


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A watch that wakes.

    ``changed(old, new)`` says whether a change matters (None: wasn't there, is gone); ``keys_of(manifest, informer)``
    gives the keys to wake, in that order; ``informer`` holds the controller's own objects, for
    ``informer.indexed(name, value)``.
    """

    gvk: GroupVersionKind
    changed: Callable[[Manifest | None, Manifest | None], bool]
    keys_of: Callable[[Manifest, Informer], Iterable[ObjectRef]]
    cause: Cause = Cause.DEPENDENCY
    namespace: str = ""
    label_selector: str = ""
    metadata_only: bool = False

    @property
    def selection(self) -> Selection:
        """What is watched."""
        return Selection(self.namespace, self.label_selector, "", self.metadata_only)
