"""Configurations of transformers and generators as types, read as kustomize reads them: unknown fields are passed over,
and numbers are texts where texts are wanted."""

from typing import TypeVar

import msgspec

from afflux.kustomize.errors import InvalidKustomization, Place
from afflux.kustomize.kustomization_file import go_problem
from afflux.kustomize.transformer_config import without_nulls
from afflux.objects.manifest import Json

T = TypeVar("T", bound=msgspec.Struct)


def converted(value: Json, struct: type[T], source: str) -> T:
    """A configuration's value as a type. Raises ``InvalidKustomization`` naming the file and the field."""
    try:
        return msgspec.convert(_known(without_nulls(value), struct), struct)
    except msgspec.ValidationError as error:
        problem, field = go_problem(error)
        raise InvalidKustomization(f"{problem} in {source}", Place(file=source, field=field)) from None


def _known(value: Json, kind: Json) -> Json:
    """The value without the fields that its type doesn't have, scalars turned into texts where texts are wanted."""
    info = msgspec.inspect.type_info(kind) if not isinstance(kind, msgspec.inspect.Type) else kind
    if isinstance(info, msgspec.inspect.UnionType):
        info = next(each for each in info.types if not isinstance(each, msgspec.inspect.NoneType))
    match info:
        case msgspec.inspect.StructType(fields=fields) if isinstance(value, dict):
            known = {field.encode_name.lower(): field for field in fields}
            pairs = ((known.get(key.lower()), item) for key, item in value.items())
            return {field.encode_name: _known(item, field.type) for field, item in pairs if field is not None}
        case msgspec.inspect.ListType(item_type=item_type) if isinstance(value, list):
            return [_known(item, item_type) for item in value]
        case msgspec.inspect.DictType(value_type=value_type) if isinstance(value, dict):
            return {key: _known(item, value_type) for key, item in value.items()}
        case msgspec.inspect.StrType() if isinstance(value, bool):
            return "true" if value else "false"
        case msgspec.inspect.StrType() if isinstance(value, int | float):
            return str(value)
    return value
