"""What can go wrong in a build.

    KustomizeError
    ├── MissingFile               a path that a kustomization names and that isn't there
    ├── OutsideRoot               a path that leads out of the place where reading is allowed
    ├── MalformedDocument         YAML that can't be read, or that isn't a Kubernetes object
    ├── InvalidKustomization      a kustomization.yaml (or a configuration that it names) that is wrong in itself
    ├── TransformationFailed      a transformer, generator or validator that doesn't apply to these resources
    ├── Refused                   something that Afflux never runs: functions, plugins, charts
    └── RemoteResourceNeeded      a remote resource; ``request`` says which

A message keeps kustomize's words and adds where: the kustomization file, the entry, the file and the line.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error was met; what isn't known is empty (or 0). ``entry`` is like ``resources[2]``."""

    kustomization: str = ""
    entry: str = ""
    file: str = ""
    line: int = 0
    field: str = ""


NOWHERE = Place()


class KustomizeError(Exception):
    """A build that can't be made. ``str()`` is the whole message, ``place`` the parts of where."""

    def __init__(self, message: str, place: Place = NOWHERE) -> None:
        super().__init__(message)
        self.message = message
        self.place = place

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.message, self.place)

    def within(self, prefix: str, place: Place = NOWHERE) -> "KustomizeError":
        """The same error with what was being done in front; the innermost place stays."""
        merged = place if self.place == NOWHERE else self.place
        return self._copy(f"{prefix}: {self.message}", merged)

    def saying(self, message: str) -> "KustomizeError":
        """The same error with another message."""
        return self._copy(message, self.place)

    def at(self, place: Place) -> "KustomizeError":
        """The same error with a place; one it has already is completed, not replaced."""
        own = self.place
        merged = Place(
            own.kustomization or place.kustomization,
            own.entry or place.entry,
            own.file or place.file,
            own.line or place.line,
            own.field or place.field,
        )
        return self._copy(self.message, merged)

    def _copy(self, message: str, place: Place) -> "KustomizeError":
        return type(self)(message, place)


class MissingFile(KustomizeError):
    """A file or directory that isn't there, or is the other of the two."""


class OutsideRoot(KustomizeError):
    """A path outside the directory that may be read, or the load restrictor's refusal."""


class MalformedDocument(KustomizeError):
    """A text that isn't YAML, or a document that isn't an object with a kind and a name."""


class InvalidKustomization(KustomizeError):
    """A kustomization file or a transformer's configuration that is wrong whatever the resources are."""


class TransformationFailed(KustomizeError):
    """A transformer, generator, replacement or validator that doesn't fit the resources."""


class Refused(KustomizeError):
    """Something that would run a program: Afflux never does."""


class RemoteResourceNeeded(KustomizeError):
    """A remote resource or base. ``request`` is the URL as the kustomization spells it."""

    def __init__(self, message: str, place: Place = NOWHERE, request: str = "") -> None:
        super().__init__(message, place)
        self.request = request

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.message, self.place, self.request)

    def _copy(self, message: str, place: Place) -> "KustomizeError":
        return RemoteResourceNeeded(message, place, self.request)
