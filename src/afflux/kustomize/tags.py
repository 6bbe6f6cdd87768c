"""Text put into a node that keeps its tag: what replacements do."""

from afflux.kustomize.errors import TransformationFailed
from afflux.kustomize.field_paths import UntypedNew
from afflux.kustomize.scalars import MARKING, SpelledBool, SpelledText, is_null, tagged_string, text_of, untagged
from afflux.objects.manifest import Json


def retagged(old: Json, text: str) -> Json:
    """The text as a value of ``old``'s type; a string stays a string. Raises where the text isn't of that type."""
    if isinstance(old, UntypedNew):
        return untagged(None, text)
    if isinstance(old, str) and not isinstance(old, SpelledText):
        return tagged_string(old, text)
    new = MARKING.resolve(text)
    if isinstance(old, bool | SpelledBool):
        fits = isinstance(new, bool | SpelledBool)
    elif isinstance(old, int):
        fits = isinstance(new, int) and not isinstance(new, bool | SpelledBool)
    elif isinstance(old, float):
        fits = isinstance(new, int | float) and not isinstance(new, bool | SpelledBool)
    elif is_null(old):
        fits = is_null(new)
    else:
        fits = True
    if not fits:
        raise TransformationFailed(f"yaml: cannot decode a replacement's text as a {_tag(old)}")
    return new


def replaced(old: Json, value: Json) -> Json:
    """A value put in the place of ``old``: its text where a scalar is, else the value itself."""
    return value if isinstance(old, dict | list) else retagged(old, text_of(value))


def _tag(value: Json) -> str:
    if is_null(value):
        return "!!null"
    if isinstance(value, bool | SpelledBool):
        return "!!bool"
    return "!!int" if isinstance(value, int) else "!!float"
