"""``postBuild.substituteFrom``: variables in ConfigMaps and Secrets."""

import base64
import binascii
from collections.abc import Iterable

from afflux.api.kustomization import Kustomization
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import KubeError, NotFound
from afflux.objects.identity import GroupVersionKind, ObjectRef
from afflux.objects.manifest import Manifest
from afflux.render.errors import SubstitutionFailed


def configs_of(kustomization: Kustomization) -> tuple[ObjectRef, ...]:
    """The ConfigMaps and Secrets that a Kustomization takes variables from."""
    post_build = kustomization.spec.post_build
    namespace = kustomization.metadata.namespace
    references = post_build.substitute_from if post_build is not None else ()
    return tuple(ObjectRef("", reference.kind, namespace, reference.name) for reference in references)


async def variables_for(client: KubeClient, kustomization: Kustomization) -> dict[str, str]:
    """All variables, later references overriding earlier ones.

    Raises `SubstitutionFailed` for an object that can't be read, unless it is optional and doesn't exist.
    """
    post_build = kustomization.spec.post_build
    variables: dict[str, str] = {}
    for reference in post_build.substitute_from if post_build is not None else ():
        gvk = GroupVersionKind("", "v1", reference.kind)
        try:
            holder = await client.get(Target(gvk, kustomization.metadata.namespace, reference.name))
            variables.update(_data_of(holder))
        except NotFound as error:
            if not reference.optional:
                raise _unreadable(reference.kind, reference.name, error) from error
        except KubeError as error:
            raise _unreadable(reference.kind, reference.name, error) from error
    return variables


def _data_of(holder: Manifest) -> Iterable[tuple[str, str]]:
    for key, value in (holder.get("data") or {}).items():
        yield key, _decoded(holder, key, value) if holder.get("kind") == "Secret" else str(value)


def _decoded(holder: Manifest, key: str, value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except (binascii.Error, UnicodeDecodeError):
        name = holder["metadata"]["name"]
        raise SubstitutionFailed(f"substitute from 'Secret/{name}' error: key {key!r} isn't text") from None


def _unreadable(kind: str, name: str, error: KubeError) -> SubstitutionFailed:
    return SubstitutionFailed(f"substitute from '{kind}/{name}' error: {error}")
