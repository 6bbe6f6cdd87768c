"""What a spec asks for that Afflux does not do (yet, or any more): named, so that it is never silently ignored."""

from collections.abc import Iterator

import msgspec

from afflux.api.git_repository import GitRepository, GitRepositorySpec
from afflux.api.kustomization import Kustomization, KustomizationSpec


def unsupported_fields(obj: msgspec.Struct) -> list[str]:
    """The fields set in ``obj.spec`` that Afflux does not act on and that would change what is applied.

    Each is a path, with the value in brackets where only that value is the matter: ``spec.decryption``,
    ``spec.provider (azure)``. Empty for an object that Afflux does all of.
    """
    if isinstance(obj, GitRepository):
        return list(_of_git_repository(obj.spec))
    if isinstance(obj, Kustomization):
        return list(_of_kustomization(obj.spec))
    return []


def unsupported_message(obj: msgspec.Struct) -> str | None:
    """A sentence that names the unsupported fields, such as ``spec.decryption is not supported by Afflux yet``."""
    fields = unsupported_fields(obj)
    if not fields:
        return None
    return f"{', '.join(fields)} {'is' if len(fields) == 1 else 'are'} not supported by Afflux yet"


def obsolete_fields(obj: msgspec.Struct) -> list[str]:
    """The fields set in ``obj.spec`` that only old versions have and that have no effect, neither here nor in Flux."""
    fields: dict[str, object] = {}
    if isinstance(obj, GitRepository):
        fields = {"gitImplementation": obj.spec.git_implementation, "accessFrom": obj.spec.access_from}
    if isinstance(obj, Kustomization):
        fields = {"validation": obj.spec.validation}
    return [f"spec.{name}" for name, value in fields.items() if value is not None]


def _of_git_repository(spec: GitRepositorySpec) -> Iterator[str]:
    if spec.url.startswith("ssh://"):
        yield "spec.url (ssh)"
    if spec.provider != "generic":
        yield f"spec.provider ({spec.provider})"
    if _uses_semver(spec):
        yield "spec.ref.semver"
    yield from _set(
        ("spec.serviceAccountName", spec.service_account_name),
        ("spec.verify", spec.verify),
        ("spec.proxySecretRef", spec.proxy_secret_ref),
        ("spec.recurseSubmodules", spec.recurse_submodules),
        ("spec.include", spec.include),
        ("spec.sparseCheckout", spec.sparse_checkout),
    )


def _uses_semver(spec: GitRepositorySpec) -> bool:
    """Whether the semver range is what decides: commit, name and tag come before it."""
    ref = spec.ref
    return ref is not None and bool(ref.semver) and not (ref.commit or ref.name or ref.tag)


def _of_kustomization(spec: KustomizationSpec) -> Iterator[str]:
    if spec.source_ref.kind != "GitRepository":
        yield f"spec.sourceRef.kind ({spec.source_ref.kind})"
    yield from _set(
        ("spec.decryption", spec.decryption),
        ("spec.serviceAccountName", spec.service_account_name),
        ("spec.kubeConfig", spec.kube_config),
        ("spec.ignore", spec.ignore),
        ("spec.buildMetadata", spec.build_metadata),
    )


def _set(*fields: tuple[str, object]) -> Iterator[str]:
    return (name for name, value in fields if value)
