"""What happens to what was applied when its Kustomization is deleted."""

from afflux.api.kustomization import Kustomization
from afflux.apply import waiting
from afflux.apply.changes import Action, ChangeSet
from afflux.apply.errors import PruneFailed
from afflux.apply.inventory import Inventory
from afflux.apply.prune import prune
from afflux.controllers.kustomization_attempt import status_of
from afflux.controllers.kustomization_rendering import owner_of
from afflux.kube.client import KubeClient
from afflux.runtime.conditions import condition_of
from afflux.runtime.ends import Done
from afflux.runtime.reconciler import Run


async def finalize(run: Run[Kustomization], client: KubeClient) -> Done:
    """Deletes, keeps or awaits, by ``deletionPolicy``. A suspended Kustomization leaves everything where it is."""
    entries = (status_of(run).get("inventory") or {}).get("entries") or ()
    inventory, unreadable = Inventory.readable(entries)
    if unreadable:  # somebody else wrote them; they must not keep the object, and its namespace, for ever
        run.log.error("inventory entries can't be read, nothing is deleted for them", ids=unreadable[:10])
    run.annotate(**_revisions(run))
    if inventory and should_delete(run.object):
        deleted = await _delete(run, client, inventory)
        if run.object.spec.deletion_policy == "WaitForTermination":
            await _await_termination(run, client, deleted)
    return Done("deleted")


def should_delete(kustomization: Kustomization) -> bool:
    """Whether the applied objects go with their Kustomization (Flux's finalizerShouldDeleteResources)."""
    spec = kustomization.spec
    if spec.suspend:
        return False
    if spec.deletion_policy == "MirrorPrune":
        return spec.prune
    return spec.deletion_policy in ("Delete", "WaitForTermination")


async def _delete(run: Run[Kustomization], client: KubeClient, inventory: Inventory) -> ChangeSet:
    try:
        deleted = await prune(client, owner_of(run.key), inventory)
    except PruneFailed:
        run.event("error", _reason(run, "error"), "pruning for deleted resource failed")
        raise
    run.event("info", _reason(run, "info"), "\n".join(str(change) for change in deleted))
    return deleted


async def _await_termination(run: Run[Kustomization], client: KubeClient, deleted: ChangeSet) -> None:
    targets = [change.target for change in deleted if change.action is Action.DELETED]
    left = await waiting.gone(client, targets, run.object.spec.timeout_seconds)
    if left:
        message = "failed to wait for resources termination"
        run.log.error(message, left=[f"{target.gvk.kind}/{target.namespace}/{target.name}" for target in left])
        run.event("error", _reason(run, "error"), message)


def _reason(run: Run[Kustomization], severity: str) -> str:
    """An event's reason as Flux chooses it: Ready's, or the severity where there is none."""
    ready = condition_of(status_of(run), "Ready") or {}
    return str(ready.get("reason") or severity)


def _revisions(run: Run[Kustomization]) -> dict[str, str]:
    status = status_of(run)
    about = {"revision": status.get("lastAppliedRevision"), "originRevision": status.get("lastAppliedOriginRevision")}
    return {name: applied for name, applied in about.items() if isinstance(applied, str) and applied}
