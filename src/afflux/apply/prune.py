"""Delete what is no longer wanted: only what still carries the owner's labels and doesn't ask to be kept."""

from afflux.apply import directives
from afflux.apply.changes import Action, Change, ChangeSet
from afflux.apply.errors import PruneFailed
from afflux.apply.inventory import GroupVersionedRef, Inventory
from afflux.apply.ownership import Owner
from afflux.kube.client import KubeClient, Preconditions, Target
from afflux.kube.errors import KubeError, NoMatch, NotFound
from afflux.objects.manifest import Manifest, metadata_of


async def prune(client: KubeClient, owner: Owner, stale: Inventory) -> ChangeSet:
    """Deletes the stale objects in reverse order of apply, in the background; what is gone already counts as deleted.

    Raises `PruneFailed` when all were tried and some could not be deleted.
    """
    done, failures, survivors = ChangeSet(), [], []
    last: KubeError | None = None
    for entry in stale.in_deletion_order():
        try:
            done += (Change(entry.ref, entry.version, await _prune(client, owner, entry)),)
        except KubeError as error:
            last = error
            failures.append(f"{entry.ref.subject} delete failed: {error};")
            survivors.append((entry.ref, entry.version))
    if failures:
        raise PruneFailed(f"delete failed, errors: {''.join(failures)}", Inventory.of(survivors), done) from last
    return done


async def _prune(client: KubeClient, owner: Owner, entry: GroupVersionedRef) -> Action:
    target = Target(entry.gvk, entry.ref.namespace, entry.ref.name)
    try:
        live = await client.get(target)
        if not may_prune(live, owner):
            return Action.SKIPPED
        # The uid keeps a successor of the same name alive.
        uid = Preconditions(uid=str(metadata_of(live).get("uid") or ""))
        await client.delete(target, propagation="Background", preconditions=uid)
    except (NotFound, NoMatch):
        return Action.DELETED
    return Action.DELETED


def may_prune(live: Manifest, owner: Owner) -> bool:
    """Whether a live object is the owner's to delete."""
    return owner.owns(live) and not directives.says(live, directives.KEPT)
