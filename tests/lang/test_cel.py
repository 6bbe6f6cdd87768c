"""CEL expressions."""

import pytest

from afflux.lang.cel import CelError, compile_expression
from afflux.objects.manifest import Json

OBJECT = {
    "metadata": {"name": "a", "generation": 3, "labels": {"x/y": "z"}},
    "spec": {"replicas": 3, "ratio": 0.5, "list": [1, 2.0, "3", {"a": True}], "nothing": None},
    "status": {"observedGeneration": 3, "conditions": [{"type": "Ready", "status": "True"}]},
}


def _value(text: str, *, check: bool = True) -> Json:
    return compile_expression(text, ("self",), check=check).evaluate({"self": OBJECT})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("self.metadata.name == 'a' && self.spec.replicas >= 2.0", True),
        ("self.status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')", True),
        ("self.status.observedGeneration == self.metadata.generation", True),
        ("self.metadata.labels['x/y']", "z"),
        ("has(self.status.missing)", False),
        ("self.status.?missing.orValue(5)", 5),
        ("self.spec.nothing == null", True),
        ("self.spec.list", [1, 2.0, "3", {"a": True}]),
        ("'a,b'.split(',').map(x, x.upperAscii())", ["A", "B"]),
        ("base64.decode('aGVsbG8=')", "aGVsbG8="),
        ("timestamp('2026-01-02T03:04:05Z') + duration('1h')", "2026-01-02T04:04:05Z"),
        ("duration('90s')", "1m30s"),
        ("sets.contains(self.spec.list, [2, '3'])", True),
        ("sets.contains([1], [true])", False),
        ("sets.equivalent([1, 1, 2], [2.0, 1])", True),
        ("sets.intersects(self.spec.list, [{'a': true}])", True),
        ("sets.intersects([1], [2])", False),
    ],
)
def test_an_expression_has_a_value(text: str, value: Json) -> None:
    assert _value(text) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("self.spec.missing == 1", "no such key: missing"),
        ("1 / 0", "divide by zero"),
        ("optional.of(1)", "Unable to convert"),
    ],
)
def test_a_failed_evaluation_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(CelError, match=problem):
        _value(text)


@pytest.mark.parametrize("text", ["self.", "nope == 1", "1 + 'a'", "(" * 20_000, "a" * 70_000, ""])
def test_a_wrong_expression_is_an_error_when_it_is_compiled(text: str) -> None:
    with pytest.raises(CelError):
        compile_expression(text, ("self",))


def test_unchecked_a_name_is_looked_for_when_it_is_evaluated() -> None:
    program = compile_expression("nope == 1", ("self",), check=False)
    assert program.evaluate({"nope": 1}) is True
    with pytest.raises(CelError, match="nope"):
        program.evaluate({})


def test_a_compile_error_shows_the_place() -> None:
    with pytest.raises(CelError, match=r"failed to parse the CEL expression 'nope': ERROR: <input>:1:1: undeclared"):
        compile_expression("nope", ("self",))


def test_an_evaluation_is_bounded() -> None:
    ten = "[0,1,2,3,4,5,6,7,8,9]"
    text = "x"
    for name in "xabcdefg":
        text = f"{ten}.map({name}, {text})"
    with pytest.raises(CelError, match="budget exceeded"):
        _value(text)


def test_a_message_repeats_no_book() -> None:
    with pytest.raises(CelError) as failure:
        compile_expression("'" + "a" * 60_000, ())
    assert len(str(failure.value)) < 3000
