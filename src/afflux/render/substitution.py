"""``postBuild``: variables in the built resources.

Each resource is substituted as YAML text and parsed again, as Flux does, so that a value may become a number, a bool
or a list.
"""

import re2

from afflux.lang import envsubst, yaml
from afflux.objects.identity import gvk_of
from afflux.objects.manifest import Json, Manifest, annotations_of, labels_of, metadata_of
from afflux.render.errors import SubstitutionFailed
from afflux.render.spec import RenderSpec

_NAME_PATTERN = "^[_[:alpha:]][_[:alpha:][:digit:]]*$"
_NAME = re2.compile(_NAME_PATTERN)
_OPT_OUT = "kustomize.toolkit.fluxcd.io/substitute"


def variables_of(spec: RenderSpec) -> dict[str, str] | None:
    """The variables to substitute, without line breaks; None where nothing is to be substituted."""
    if not spec.section("postBuild"):
        return None
    own = spec.section("postBuild").get("substitute") or {}
    variables = {name: str(value).replace("\n", "") for name, value in {**spec.variables, **own}.items()}
    if not variables and spec.section("postBuild").get("substituteStrategy") != "Always":
        return None
    for name in variables:
        if not _NAME.match(name):
            raise SubstitutionFailed(
                f"post build failed: envsubst error: '{name}' var name is invalid, must match '{_NAME_PATTERN}'"
            )
    return variables


def opted_out(manifest: Manifest) -> bool:
    """Whether the object asks to be left alone, by label or annotation (exact value)."""
    return "disabled" in (labels_of(manifest).get(_OPT_OUT), annotations_of(manifest).get(_OPT_OUT))


def substituted(text: str, manifest: Manifest, variables: dict[str, str], *, strict: bool, where: str) -> Json:
    """The object that ``text`` (the manifest as YAML) is after substitution; ``where`` is appended to errors."""
    try:
        return yaml.load(envsubst.substitute(text, variables, strict=strict), source="")
    except envsubst.SubstitutionError as error:
        raise _failed(manifest, f"envsubst error: variable substitution failed: {error}", where) from error
    except yaml.YamlError as error:
        raise _failed(manifest, f"envsubst error: YAMLToJSON: {error}", where) from error


def _failed(manifest: Manifest, why: str, where: str) -> SubstitutionFailed:
    gvk = gvk_of(manifest)
    kind = ".".join((gvk.kind or "[noKind]", gvk.version or "[noVer]", gvk.group or "[noGrp]"))
    return SubstitutionFailed(f"post build failed for '{kind}/{metadata_of(manifest).get('name', '')}': {why}{where}")
