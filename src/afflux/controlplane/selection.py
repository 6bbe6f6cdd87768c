"""Which objects a list or a watch is about: a namespace, labels, fields."""

from __future__ import annotations

from typing import NamedTuple

from afflux.controlplane.errors import bad_request
from afflux.controlplane.field_selectors import FieldSelector, parse_field_selector
from afflux.controlplane.options import Options
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.stored import StoredObject
from afflux.objects.selectors import InvalidSelector, LabelSelector, parse_label_selector


class Selection(NamedTuple):
    """What must hold of an object. ``namespace`` is empty for all of them."""

    namespace: str
    labels: LabelSelector | None
    fields: FieldSelector | None

    @property
    def is_all(self) -> bool:
        """Whether only the namespace counts."""
        return self.labels is None and self.fields is None

    def matches(self, stored: StoredObject) -> bool:
        """Whether the object is selected by namespace, labels and fields."""
        if self.namespace and stored.namespace != self.namespace:
            return False
        if self.labels is not None and not self.labels.matches(stored.manifest["metadata"].get("labels") or {}):
            return False
        return self.fields is None or self.fields.matches(stored.manifest)


def selection_of(kind: ServedKind, namespace: str, options: Options, name: str = "") -> Selection:
    """The selection in a request's options; ``name`` narrows it to one object."""
    label_text = options.text("labelSelector")
    try:
        labels = parse_label_selector(label_text) if label_text else None
    except InvalidSelector as error:
        raise bad_request(f"unable to parse requirement: {error}") from error
    field_text = options.text("fieldSelector")
    if name:
        field_text = f"metadata.name={name}" + (f",{field_text}" if field_text else "")
    return Selection(namespace, labels, parse_field_selector(field_text, kind))
