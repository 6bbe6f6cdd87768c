"""From a request's body to a manifest of the kind: identity checked, unknown and double fields dealt with."""

from __future__ import annotations

from collections.abc import Sequence

from afflux.controlplane.errors import FieldError, bad_request, invalid, unrecognized
from afflux.controlplane.pipeline import Author
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.structural import prune
from afflux.controlplane.typed import decode_typed, strict_error
from afflux.objects.manifest import Json, Manifest, metadata_of


def decoded(
    kind: ServedKind, body: Json, author: Author, doubles: Sequence[str] = (), live: Manifest | None = None
) -> Manifest:
    """The body as a manifest of the kind, ``kind`` and ``apiVersion`` set.

    Unknown fields, and fields that were in the body twice (``doubles``), are refused, named in a warning, or dropped in
    silence, as ``author.field_validation`` says. ``live``: what the body was made from, where it was patched.
    """
    manifest = _with_identity(kind, body)
    if kind.is_custom:
        manifest, unknown = prune(kind, manifest)
    else:
        resets = metadata_of(manifest).get("managedFields") == []
        manifest, unknown = decode_typed(kind, manifest, live)
        if resets:  # Go tells an empty list from none, though it prints neither: it resets as one empty entry does
            manifest = {**manifest, "metadata": {**metadata_of(manifest), "managedFields": [{}]}}
    if author.field_validation != "Ignore" and (unknown or doubles):
        _report(kind, author, unknown, doubles)
    return manifest


def check_identified(kind: ServedKind, body: Json, text: bytes) -> None:
    """Custom resources say what they are, unlike built-in kinds, which the URL tells. Raises 400."""
    if kind.is_custom and isinstance(body, dict) and not body.get("kind"):
        shown = text.decode("utf-8", "replace")
        raise unrecognized(kind.gvk.kind, f"Object 'Kind' is missing in '{shown}'", text)


def check_place(manifest: Manifest, namespace: str, name: str) -> None:
    """The body's name and namespace, where given, must be those of the URL. ``name`` is empty for a create."""
    metadata = metadata_of(manifest)
    given = metadata.get("namespace")
    if given and given != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if name and metadata.get("name", name) != name:
        raise bad_request(f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})")


def _with_identity(kind: ServedKind, body: Json) -> Manifest:
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind.gvk.kind})")
    api_version, body_kind = body.get("apiVersion") or kind.gvk.api_version, body.get("kind") or kind.gvk.kind
    if api_version != kind.gvk.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({kind.gvk.api_version})"
        )
    if body_kind != kind.gvk.kind:
        raise _wrong_kind(kind, body_kind, body)
    return {**body, "kind": body_kind, "apiVersion": api_version}


def _wrong_kind(kind: ServedKind, given: str, body: Manifest) -> Exception:
    wanted, version = kind.gvk.kind, kind.gvk.version
    if kind.is_custom:
        error = FieldError("FieldValueInvalid", f'Invalid value: "{given}": must be {wanted}', "kind")
        return invalid(kind.kind_named(metadata_of(body).get("name", ""))._replace(resource=given), [error])
    group = kind.gvk.group.partition(".")[0] or "core"
    return bad_request(
        f'{given} in version "{version}" cannot be handled as a {wanted}: '
        f"converting ({version}.{given}) to ({group}.{wanted}): unknown conversion"
    )


def _report(kind: ServedKind, author: Author, unknown: Sequence[str], doubles: Sequence[str]) -> None:
    problems = [f'duplicate field "{path}"' for path in doubles]
    problems += [f'unknown field "{path}"' for path in unknown]
    if author.field_validation == "Strict":
        raise strict_error(kind, problems)
    author.warnings.extend(problems)
