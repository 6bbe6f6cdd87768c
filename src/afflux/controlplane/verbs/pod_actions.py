"""What is done to Pods through subresources: eviction and binding."""

from __future__ import annotations

import orjson

from afflux.controlplane import binding
from afflux.controlplane.deletion import delete, options_from
from afflux.controlplane.errors import ApiStatusError
from afflux.controlplane.negotiation import decode_body
from afflux.controlplane.served_kind import StorageKey
from afflux.controlplane.stored import StoredObject
from afflux.controlplane.verbs.read import live_object
from afflux.controlplane.verbs.request import Answer, ApiRequest
from afflux.controlplane.writer import Writer
from afflux.objects.manifest import Manifest
from afflux.objects.selectors import label_selector

_BUDGETS = StorageKey("policy", "poddisruptionbudgets")


def evict(writer: Writer, request: ApiRequest) -> Answer:
    """POST of an Eviction: a deletion that disruption budgets may refuse with 429."""
    author = request.author()
    live = live_object(writer.store, request)
    body: Manifest = {}
    if request.body.strip():
        body, _ = decode_body(request.body, request.content_type, "Eviction")
    _check_budgets(writer, live)
    delete(writer, request.kind, live, options_from(body.get("deleteOptions") or {}), author)
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Answer(orjson.dumps(status), 201, wrote=True)


def bind(writer: Writer, request: ApiRequest) -> Answer:
    """POST of a Binding: the Pod goes to a node, once."""
    author = request.author()
    live = live_object(writer.store, request)
    body, _ = decode_body(request.body, request.content_type, "Binding")
    binding.bind(writer, request.kind, live, (body.get("target") or {}).get("name", ""), author)
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    return Answer(orjson.dumps(status), 201, wrote=True)


def _check_budgets(writer: Writer, pod: StoredObject) -> None:
    labels = pod.manifest["metadata"].get("labels") or {}
    for budget in writer.store.list(_BUDGETS, pod.namespace):
        spec, status = budget.manifest.get("spec") or {}, budget.manifest.get("status") or {}
        if not label_selector(spec.get("selector") or {}).matches(labels):
            continue
        if status.get("disruptionsAllowed", 0) <= 0:
            words = "Cannot evict pod as it would violate the pod's disruption budget."
            cause = {"reason": "DisruptionBudget", "message": f"The disruption budget {budget.name} allows none now."}
            raise ApiStatusError(429, "TooManyRequests", words, None, [cause], retry_after=10)
