"""All of Kubernetes' functions as one extension of an evaluator's environment.

It must come after Google's ``strings`` and ``optional``: its overloads of their functions are added to theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cel_expr_python import cel

from afflux.lang.kubernetes_cel import addresses, formats, lists, quantities, semvers, urls
from afflux.lang.kubernetes_cel.opaque import Method, is_valid, kind_of, plain
from afflux.objects.manifest import Json

_ANY, _TEXT, _WHOLE, _TRUTH = cel.Type.DYN, cel.Type.STRING, cel.Type.INT, cel.Type.BOOL
_LIST, _OPAQUE = cel.Type.List(cel.Type.DYN), cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_TEXTS = cel.Type.List(cel.Type.STRING)

_METHODS: dict[str, Mapping[str, Method]] = {
    "url": urls.METHODS,
    "quantity": quantities.METHODS,
    "semver": semvers.METHODS,
    "ip": addresses.IP_METHODS,
    "cidr": addresses.CIDR_METHODS,
    "format": {"validate": formats.validate},
    "optional": {"hasValue": formats.has_value, "value": formats.value_of},
}
_WITH_ARGUMENT = frozenset(
    "add sub compareTo isLessThan isGreaterThan containsIP containsCIDR validate".split()  # noqa: SIM905
)
_RETURNS = {
    "isInteger": _TRUTH,
    "isLessThan": _TRUTH,
    "isGreaterThan": _TRUTH,
    "containsIP": _TRUTH,
    "containsCIDR": _TRUTH,
    "hasValue": _TRUTH,
    "isUnspecified": _TRUTH,
    "isLoopback": _TRUTH,
    "isLinkLocalMulticast": _TRUTH,
    "isLinkLocalUnicast": _TRUTH,
    "isGlobalUnicast": _TRUTH,
    "getQuery": cel.Type.Map(_TEXT, _TEXTS),
    **dict.fromkeys(("getScheme", "getHost", "getHostname", "getPort", "getEscapedPath"), _TEXT),
    **dict.fromkeys(("sign", "asInteger", "compareTo", "family", "prefixLength", "major", "minor", "patch"), _WHOLE),
    "asApproximateFloat": cel.Type.DOUBLE,
    **dict.fromkeys(("add", "sub", "masked", "validate", "ip"), _OPAQUE),
}


class KubernetesLibraries(cel.CelExtension):  # type: ignore[misc] # the evaluator has no types
    """``url quantity semver ip cidr format``, ``find findAll``, ``isSorted sum min max indexOf lastIndexOf``."""

    def __init__(self) -> None:
        overloads: dict[str, list[cel.Overload]] = {}
        for name, overload in (*_functions(), *_methods(), *_of_lists(), *_of_texts()):
            overloads.setdefault(name, []).append(overload)
        super().__init__("kubernetes", [cel.FunctionDecl(name, listed) for name, listed in overloads.items()])


def _functions() -> Iterator[tuple[str, cel.Overload]]:
    """From texts to values, and whether that is possible."""
    parsers = {
        "url": urls.parse,
        "quantity": quantities.parse,
        "semver": semvers.parse,
        "ip": addresses.parse_ip,
        "cidr": addresses.parse_cidr,
    }
    questions = {"url": "isURL", "quantity": "isQuantity", "semver": "isSemver", "ip": "isIP", "cidr": "isCIDR"}
    for name, parse in parsers.items():
        yield name, cel.Overload(f"k8s_string_to_{name}", _OPAQUE, [_TEXT], False, parse)
        yield questions[name], cel.Overload(f"k8s_is_{name}", _TRUTH, [_TEXT], False, is_valid(parse))
    yield "semver", cel.Overload("k8s_string_bool_to_semver", _OPAQUE, [_TEXT, _TRUTH], False, semvers.parse)
    asked = lambda text, normalize: is_valid(lambda each: semvers.parse(each, normalize))(text)  # noqa: E731
    yield "isSemver", cel.Overload("k8s_is_semver_bool", _TRUTH, [_TEXT, _TRUTH], False, asked)
    yield "ip.isCanonical", cel.Overload("k8s_ip_is_canonical", _TRUTH, [_TEXT], False, addresses.is_canonical)
    yield "string", cel.Overload("k8s_address_to_string", _TEXT, [_OPAQUE], False, addresses.text_of)
    yield "format.named", cel.Overload("k8s_format_named", _OPAQUE, [_TEXT], False, formats.named)
    for name in formats.FORMATS:
        made = formats.value_of(formats.named(name))
        yield f"format.{name}", cel.Overload(f"k8s_format_{name}", _OPAQUE, [], False, lambda made=made: made)


def _methods() -> Iterator[tuple[str, cel.Overload]]:
    """One overload for each name: which function is meant, the value's kind tells."""
    for name in {name for methods in _METHODS.values() for name in methods}:
        parameters = [_OPAQUE, _ANY] if name in _WITH_ARGUMENT else [_OPAQUE]
        yield name, cel.Overload(f"k8s_opaque_{name}", _RETURNS.get(name, _ANY), parameters, True, _dispatch(name))


def _dispatch(name: str) -> Method:
    def called(target: Json, *arguments: Json) -> Json:
        value = plain(target)
        method = _METHODS.get(kind_of(value), {}).get(name)
        if method is None:
            raise ValueError(f"no such overload: {kind_of(value) or 'map'}.{name}()")
        return method(value, *(plain(argument) for argument in arguments))

    return called


def _of_lists() -> Iterator[tuple[str, cel.Overload]]:
    yield "isSorted", cel.Overload("k8s_list_is_sorted", _TRUTH, [_LIST], True, lists.is_sorted)
    yield "sum", cel.Overload("k8s_list_sum", _ANY, [_LIST], True, lists.total)
    yield "min", cel.Overload("k8s_list_min", _ANY, [_LIST], True, lists.extreme("min", min))
    yield "max", cel.Overload("k8s_list_max", _ANY, [_LIST], True, lists.extreme("max", max))
    yield "indexOf", cel.Overload("k8s_list_index_of", _WHOLE, [_LIST, _ANY], True, lists.index_of)
    yield "lastIndexOf", cel.Overload("k8s_list_last_index_of", _WHOLE, [_LIST, _ANY], True, lists.last_index_of)


def _of_texts() -> Iterator[tuple[str, cel.Overload]]:
    yield "find", cel.Overload("k8s_string_find", _TEXT, [_TEXT, _TEXT], True, lists.find)
    yield "findAll", cel.Overload("k8s_string_find_all", _TEXTS, [_TEXT, _TEXT], True, lists.find_all)
    yield "findAll", cel.Overload("k8s_string_find_some", _TEXTS, [_TEXT, _TEXT, _WHOLE], True, lists.find_all)
