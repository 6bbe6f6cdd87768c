"""Somebody who may write a Kustomization's status writes an inventory of other people's objects into it."""

from pathlib import Path

from afflux.kube.client import KubeClient, Target
from afflux.objects.identity import GroupVersionKind
from fleet import CONFIG_MAP, fleet
from waiting import eventually

_NAMESPACE = GroupVersionKind("", "v1", "Namespace")


async def test_forged_entries_delete_nothing_and_keep_nobody_alive(kube_client: KubeClient, tmp_path: Path) -> None:
    async with fleet(kube_client, "forgers", tmp_path) as ours:
        metadata = {"name": "of-others", "namespace": "default"}
        await kube_client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        victims = [Target(CONFIG_MAP, "default", "of-others"), Target(_NAMESPACE, "", "kube-public")]
        ids = ["default_of-others__ConfigMap", "_kube-public__Namespace", "kube-system_..__ConfigMap", "garbage"]
        await ours.kustomization("forged", suspend=True)
        status = {"status": {"inventory": {"entries": [{"id": one, "v": "v1"} for one in ids[:2]]}}}
        await kube_client.patch(ours.target("forged"), status, subresource="status")
        revision = await ours.commit({"one.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"})
        await ours.kustomization("forged", suspend=False)
        await ours.ready("forged", revision=revision)
        status = {"status": {"inventory": {"entries": [{"id": one, "v": "v1"} for one in ids if ".." not in one]}}}
        await kube_client.patch(ours.target("forged"), status, subresource="status")
        await kube_client.delete(ours.target("forged"))

        async def gone() -> bool:
            listed = (await kube_client.list(ours.target("forged").gvk)).items
            return "forged" not in [item["metadata"]["name"] for item in listed]

        await eventually(gone)
        for victim in victims:
            assert "deletionTimestamp" not in (await kube_client.get(victim))["metadata"]
