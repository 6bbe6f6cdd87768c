"""``IAMPolicyGenerator``: the ServiceAccount that stands for a cloud's account."""

import msgspec

from afflux.kustomize.errors import InvalidKustomization
from afflux.kustomize.resource import Origin, Resource
from afflux.objects.manifest import Json


class KubernetesService(msgspec.Struct, frozen=True):
    """The ServiceAccount to be made."""

    name: str = ""
    namespace: str = ""


class CloudAccount(msgspec.Struct, frozen=True, rename="camel"):
    """The cloud's account that it stands for."""

    name: str = ""
    project_id: str = ""


class IamPolicy(msgspec.Struct, frozen=True, rename="camel"):
    """The generator's configuration."""

    cloud: str = ""
    kubernetes_service: KubernetesService = KubernetesService()
    service_account: CloudAccount = CloudAccount()


def service_account(policy: IamPolicy, origin: Origin) -> Resource:
    """The annotated ServiceAccount. Raises where the cloud isn't known."""
    if policy.cloud != "gke":
        raise InvalidKustomization(f"cloud provider {policy.cloud} not supported yet")
    account = f"{policy.service_account.name}@{policy.service_account.project_id}.iam.gserviceaccount.com"
    metadata: dict[str, Json] = {
        "annotations": {"iam.gke.io/gcp-service-account": account},
        "name": policy.kubernetes_service.name,
    }
    if policy.kubernetes_service.namespace:
        metadata["namespace"] = policy.kubernetes_service.namespace
    return Resource({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, origin)
