"""What the server decides about a write beyond the object's own defaults: the work of an API server's plugins.

Here belongs what needs the rest of the cluster, the creation itself or the previous version: the namespace life cycle,
allocated addresses, first status, a Pod's service account. What follows from the object alone is ``defaults``; what is
wrong with it is ``validation``.
"""

from __future__ import annotations

from collections.abc import Callable

from afflux.controlplane.admission import (
    claims,
    custom_resource_definitions,
    namespaces,
    pods,
    services,
    webhooks,
    workloads,
)
from afflux.controlplane.admission.first_status import FIRST_STATUS
from afflux.controlplane.pipeline import WriteContext
from afflux.objects.manifest import Manifest

OnCreate = Callable[[WriteContext, Manifest], Manifest]
OnUpdate = Callable[[WriteContext, Manifest, Manifest], Manifest]
OnDelete = Callable[[WriteContext, Manifest], Manifest]

ON_CREATE: dict[tuple[str, str], OnCreate] = {
    ("", "Namespace"): namespaces.create,
    ("", "Pod"): pods.create,
    ("", "Service"): services.create,
    ("", "PersistentVolumeClaim"): claims.create_claim,
    ("", "PersistentVolume"): claims.create_volume,
    ("", "Node"): claims.create_node,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): webhooks.create,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): webhooks.create,
    ("batch", "Job"): workloads.create_job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definitions.create,
}

ON_UPDATE: dict[tuple[str, str], OnUpdate] = {
    ("", "Namespace"): namespaces.update,
    ("", "Service"): services.update,
    ("", "Pod"): pods.update,
    ("", "PersistentVolumeClaim"): claims.update_claim,
    ("apps", "DaemonSet"): workloads.update_daemon_set,
    ("batch", "Job"): workloads.update_job,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definitions.update,
}

ON_DELETE: dict[tuple[str, str], OnDelete] = {
    ("", "Namespace"): namespaces.delete,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): custom_resource_definitions.delete,
}


def admit(context: WriteContext, new: Manifest, old: Manifest | None) -> Manifest:
    """The object as it is to be validated and stored; ``old`` is None for a create.

    Raises ``ApiStatusError``: 404 where the namespace is absent, 403 where it is being terminated.
    """
    gvk = context.kind.gvk
    if old is None:
        namespaces.require_active(context, new)
        if context.kind.is_custom:
            custom_resource_definitions.require_living_definition(context)
        new = _with_first_status(context, new)
        create = ON_CREATE.get((gvk.group, gvk.kind))
        return create(context, new) if create else new
    update = ON_UPDATE.get((gvk.group, gvk.kind))
    return update(context, new, old) if update and context.subresource != "status" else new


def admit_deletion(context: WriteContext, old: Manifest) -> Manifest:
    """The object as its deletion begins: with the finalizer and the status that its kind asks for.

    Whoever deletes looks for finalizers in the answer, also in a Namespace's ``spec.finalizers``: while there are any,
    the object is only marked. Raises ``ApiStatusError`` 403 for namespaces that can't be deleted.
    """
    delete = ON_DELETE.get((context.kind.gvk.group, context.kind.gvk.kind))
    return delete(context, old) if delete else old


def _with_first_status(context: WriteContext, new: Manifest) -> Manifest:
    first = FIRST_STATUS.get((context.kind.gvk.group, context.kind.gvk.kind))
    return new if first is None else {**new, "status": first(context.now)}
