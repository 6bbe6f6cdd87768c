"""CEL: the expressions by which users say when something is ready.

Google's own evaluator with the extensions that Flux gives its expressions: optionals, strings, encoders, sets. An
evaluation is bounded by the evaluator's iteration budget, which knows nothing of the size of values: expressions of
people who are not to be trusted are evaluated in a worker process.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from cel_expr_python import cel
from cel_expr_python.ext import ext_encoders, ext_optional, ext_strings

from afflux.lang.duration import format_duration
from afflux.lang.kubernetes_cel import KubernetesLibraries
from afflux.objects.manifest import Json

MAX_EXPRESSION = 65_536
MAX_SHOWN = 1000
"""Characters of an expression, and of what is wrong with it, in a message."""

MISSING_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)
STATUS_CODE = re.compile(r"\A[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?\Z", re.DOTALL)


class CelError(ValueError):
    """An expression that can't be compiled or whose evaluation failed; the message says why and where."""


class EvaluationFailed(CelError):
    """The expression is well-formed, but not for these values: a field that isn't there, a wrong type."""


class Program:
    """A compiled expression."""

    def __init__(self, text: str, expression: cel.Expression) -> None:
        self.text = text
        self._expression = expression

    @property
    def result_type(self) -> str:
        """What the expression gives, in CEL's name: ``bool``, ``string``, ``dyn`` where only the values tell."""
        return str(self._expression.return_type().name()).lower()

    def evaluate(self, bindings: Mapping[str, Json]) -> Json:
        """The expression's value as JSON: times as RFC 3339, durations as Go prints them, bytes as base64.

        ``EvaluationFailed`` where that fails: a field that isn't there, a wrong type, a value too large.
        """
        try:
            result = self._expression.eval(data=dict(bindings))
            if result.type().name() in ("ERROR", "UNKNOWN"):
                raise EvaluationFailed(_reason(str(result.value())))
            return _json(result.plain_value())
        except (RuntimeError, TypeError, OverflowError) as error:
            raise EvaluationFailed(_reason(str(error))) from None


@lru_cache(maxsize=1024)
def compile_expression(
    text: str, variables: tuple[str, ...], *, check: bool = True, kubernetes: bool = False
) -> Program:
    """The program for an expression over ``variables``, which may hold anything.

    ``check``: names and types are checked now; without it only the grammar is, as Flux does for health checks.
    ``kubernetes``: with the libraries that rules of custom resources have, and Flux's expressions don't.
    ``CelError`` where the expression is wrong.
    """
    if len(text) > MAX_EXPRESSION:
        raise CelError(f"expression of {len(text)} characters: at most {MAX_EXPRESSION} are allowed")
    try:
        return Program(text, _environment(variables, kubernetes).compile(text, disable_check=not check))
    except (RuntimeError, TypeError, UnicodeError) as error:
        raise CelError(f"failed to parse the CEL expression '{_shown(text)}': {_shown(_reason(str(error)))}") from None


def evaluate_boolean(text: str, variables: tuple[str, ...], bindings: Mapping[str, Json]) -> bool:
    """What a checked expression that must be boolean says, in one call that a worker process can be given."""
    program = compile_expression(text, variables)
    if program.result_type != "bool":
        raise CelError(f"CEL expression output type mismatch: expected bool, got {program.result_type}")
    return program.evaluate(bindings) is True


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _reason(text: str) -> str:
    """The evaluator's message without its status codes; a missing key in cel-go's words."""
    stripped = STATUS_CODE.sub(r"\1", text)
    return MISSING_KEY.sub(r"no such key: \1", stripped)


@lru_cache(maxsize=32)
def _environment(variables: tuple[str, ...], kubernetes: bool) -> cel.Env:
    extensions = [ext_optional.ExtOptional(), ext_strings.ExtStrings(), ext_encoders.ExtEncoders()]
    extensions += [KubernetesLibraries()] if kubernetes else []
    return cel.NewEnv(
        variables=dict.fromkeys(variables, cel.Type.DYN), extensions=extensions, functions=_set_functions()
    )


def _json(value: Json) -> Json:
    match value:
        case dict():
            return {str(key): _json(item) for key, item in value.items()}
        case list():
            return [_json(item) for item in value]
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return format_duration(value.total_seconds())
        case None | bool() | int() | float() | str():
            return value
    raise CelError(f"{type(value).__name__} is not a JSON value")


def _plain(value: Json) -> Json:
    return value.plain_value() if hasattr(value, "plain_value") else value


def _equal(left: Json, right: Json) -> bool:
    """CEL's equality: numbers by value whatever their type, a bool is no number."""
    left, right = _plain(left), _plain(right)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(item, right[key]) for key, item in left.items())
    return bool(left == right)


def _contains(container: list[Json], members: list[Json]) -> bool:
    return all(any(_equal(item, member) for item in container) for member in members)


def _equivalent(left: list[Json], right: list[Json]) -> bool:
    return _contains(left, right) and _contains(right, left)


def _intersects(left: list[Json], right: list[Json]) -> bool:
    return any(_equal(item, other) for item in left for other in right)


SETS: dict[str, Callable[[list[Json], list[Json]], bool]] = {
    "contains": _contains,
    "equivalent": _equivalent,
    "intersects": _intersects,
}


def _set_functions() -> list[cel.FunctionDecl]:
    items, verdict = cel.Type.List(cel.Type.DYN), cel.Type.BOOL
    overloads = {
        name: cel.Overload(f"list_sets_{name}_list", return_type=verdict, parameters=[items, items], impl=function)
        for name, function in SETS.items()
    }
    return [cel.FunctionDecl(f"sets.{name}", [overload]) for name, overload in overloads.items()]
