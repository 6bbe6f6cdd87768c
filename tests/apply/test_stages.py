"""Stages and order, against Flux's tables."""

from afflux.apply.stages import apply_order, in_stages
from afflux.objects.identity import ObjectRef

CRD = ObjectRef("apiextensions.k8s.io", "CustomResourceDefinition", "", "widgets.example.com")
NAMESPACE = ObjectRef("", "Namespace", "", "apps")
STORAGE = ObjectRef("storage.k8s.io", "StorageClass", "", "fast")
CONFIG = ObjectRef("", "ConfigMap", "apps", "config")
SERVICE = ObjectRef("", "Service", "apps", "web")
DEPLOYMENT = ObjectRef("apps", "Deployment", "apps", "web")
WIDGET = ObjectRef("example.com", "Widget", "apps", "one")
GADGET = ObjectRef("example.com", "Gadget", "apps", "one")
HOOK = ObjectRef("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "guard")


def stages_of(*refs: ObjectRef, custom: frozenset[tuple[str, str]] = frozenset()) -> list[tuple[str, list[ObjectRef]]]:
    return [(stage.name, held) for stage, held in in_stages(refs, lambda ref: ref, custom)]


def test_definitions_come_first_then_classes_then_everything_else() -> None:
    assert stages_of(DEPLOYMENT, STORAGE, NAMESPACE, CRD, WIDGET) == [
        ("definitions", [CRD, NAMESPACE]),
        ("classes", [STORAGE]),
        ("everything else", [DEPLOYMENT, WIDGET]),
    ]


def test_custom_kinds_have_a_stage_of_their_own_before_everything_else() -> None:
    assert stages_of(DEPLOYMENT, WIDGET, custom=frozenset({("example.com", "Widget")})) == [
        ("custom", [WIDGET]),
        ("everything else", [DEPLOYMENT]),
    ]


def test_a_kind_named_like_a_definition_in_another_group_is_not_one() -> None:
    foreign = ObjectRef("example.com", "Namespace", "", "x")
    assert stages_of(foreign) == [("everything else", [foreign])]


def test_within_a_stage_kinds_follow_the_table_and_the_rest_the_alphabet() -> None:
    shuffled = [HOOK, WIDGET, DEPLOYMENT, GADGET, SERVICE, CONFIG]
    assert sorted(shuffled, key=apply_order) == [CONFIG, SERVICE, DEPLOYMENT, GADGET, WIDGET, HOOK]


def test_objects_of_a_kind_go_by_namespace_then_name() -> None:
    refs = [ObjectRef("", "ConfigMap", ns, name) for ns, name in (("b", "a"), ("a", "b"), ("a", "a"))]
    assert [(ref.namespace, ref.name) for ref in sorted(refs, key=apply_order)] == [("a", "a"), ("a", "b"), ("b", "a")]
