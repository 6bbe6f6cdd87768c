"""Label selectors."""

import pytest

from afflux.objects.selectors import InvalidSelector, label_selector, parse_label_selector


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b,c)", {}, False),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("!a", {}, True),
        ("a>1,b<5", {"a": "2", "b": "4"}, True),
        ("a>1", {"a": "x"}, False),
        ("a=", {"a": ""}, True),
        ("a in (,b)", {"a": ""}, True),
        ("app.kubernetes.io/name=web, tier", {"app.kubernetes.io/name": "web", "tier": "x"}, True),
    ],
)
def test_a_text_selector_matches_as_kubernetes_does(text: str, labels: dict[str, str], expected: bool) -> None:
    assert parse_label_selector(text).matches(labels) is expected


@pytest.mark.parametrize(
    "text", ["a b", "a in b", "a in (b", "a,,b", "a,", "=b", "a=b c", "a>x", "-a=b", "a in ((b))", "!"]
)
def test_a_malformed_text_selector_is_refused(text: str) -> None:
    with pytest.raises(InvalidSelector):
        parse_label_selector(text)


def test_an_object_selector_joins_labels_and_expressions() -> None:
    selector = label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector.matches({"app": "web", "tier": "b"})
    assert not selector.matches({"app": "web", "tier": "b", "old": "1"})
    assert not selector.matches({"app": "web"})


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"matchExpressions": [{"key": "a", "operator": "Is"}]}, r"matchExpressions\[0\].operator"),
        ({"matchExpressions": [{"key": "a", "operator": "In"}]}, "must be given"),
        ({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}, "must be empty"),
        ({"matchLabels": {"a/b/c": "d"}}, "not a valid label key"),
        ({"matchLabels": {"a": 1}}, "not a valid label value"),
        ([], "must be an object"),
    ],
)
def test_a_malformed_object_selector_names_the_field(spec: object, problem: str) -> None:
    with pytest.raises(InvalidSelector, match=problem):
        label_selector(spec)
