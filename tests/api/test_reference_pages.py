"""The reference pages name every field that users may set and every one that status has."""

from pathlib import Path

import msgspec
import pytest

from afflux.api.kinds import KINDS, FluxKind

PAGES = Path(__file__).parents[2] / "docs/reference/kinds"


@pytest.mark.parametrize("flux_kind", KINDS, ids=lambda kind: kind.kind)
def test_a_page_names_every_field(flux_kind: FluxKind) -> None:
    page = (PAGES / f"{flux_kind.kind.lower()}.md").read_text()
    root = msgspec.inspect.type_info(flux_kind.struct)
    assert isinstance(root, msgspec.inspect.StructType)
    parts = [field.type for field in root.fields if field.name in ("spec", "status")]
    structs = [part.type if isinstance(part, msgspec.inspect.Metadata) else part for part in parts]
    fields = [field.encode_name for struct in structs for field in struct.fields]  # type: ignore[attr-defined]
    assert len(fields) > 20
    assert [field for field in fields if f"`{field}" not in page and f".{field}" not in page] == []


@pytest.mark.parametrize("flux_kind", KINDS, ids=lambda kind: kind.kind)
def test_a_page_names_versions_short_names_and_categories(flux_kind: FluxKind) -> None:
    page = (PAGES / f"{flux_kind.kind.lower()}.md").read_text()
    names = (flux_kind.api_version, *flux_kind.older_versions, *flux_kind.short_names, *flux_kind.categories)
    assert [name for name in names if f"`{name}`" not in page] == []
