"""Reports of changes."""

from afflux.apply.changes import Action, Change, ChangeSet
from afflux.objects.identity import ObjectRef

WEB = ObjectRef("apps", "Deployment", "apps", "web")
CONFIG = ObjectRef("", "ConfigMap", "apps", "config")

CHANGES = ChangeSet((Change(CONFIG, "v1", Action.UNCHANGED), Change(WEB, "v1", Action.CONFIGURED)))


def test_the_output_names_every_object() -> None:
    assert CHANGES.output() == {"ConfigMap/apps/config": "unchanged", "Deployment/apps/web": "configured"}


def test_the_lines_name_only_what_changed() -> None:
    assert CHANGES.changed_lines() == "Deployment/apps/web configured"


def test_everything_applied_or_skipped_is_in_the_inventory() -> None:
    assert CHANGES.inventory().versions == {CONFIG: "v1", WEB: "v1"}
