from afflux.apply import waiting
from afflux.kube.client import KubeClient, Target
from afflux.objects.identity import GroupVersionKind

CONFIG_MAP = GroupVersionKind("", "v1", "ConfigMap")


async def test_what_can_not_be_looked_at_does_not_count_as_gone(kube_client: KubeClient, namespace: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": namespace}}
    await kube_client.create(manifest)
    there, absent = Target(CONFIG_MAP, namespace, "a"), Target(CONFIG_MAP, namespace, "b")
    nobody = kube_client.impersonating("nobody")
    assert await waiting.gone(nobody, [there], 10.0) == [there]
    assert await waiting.gone(kube_client, [there, absent], 0.5) == [there]
