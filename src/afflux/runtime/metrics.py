"""Prometheus metrics, named and labelled as Flux's controllers and controller-runtime have them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from afflux.objects.identity import ObjectRef
from afflux.runtime.queue import WorkQueue

CONTENT_TYPE = CONTENT_TYPE_LATEST

RECONCILE_BUCKETS = tuple(0.01 * (1800 / 0.01) ** (step / 9) for step in range(10))
"""Ten buckets spread exponentially from 10 ms to 30 minutes."""

QUEUE_BUCKETS = tuple(10.0**exponent for exponent in range(-8, 4))
"""As client-go's work queue has them."""


class _Described(NamedTuple):
    name: str
    documentation: str
    labels: tuple[str, ...]


_QUEUE = ("name", "controller")

RECONCILE_DURATION = _Described(
    "gotk_reconcile_duration_seconds",
    "The duration in seconds of a GitOps Toolkit resource reconciliation.",
    ("kind", "name", "namespace"),
)
RECONCILE_TOTAL = _Described(
    "controller_runtime_reconcile_total",
    "Total number of reconciliations per controller",
    ("controller", "result"),
)
RECONCILE_ERRORS = _Described(
    "controller_runtime_reconcile_errors_total",
    "Total number of reconciliation errors per controller",
    ("controller",),
)
QUEUE_ADDS = _Described("workqueue_adds_total", "Total number of adds handled by workqueue", _QUEUE)
QUEUE_RETRIES = _Described("workqueue_retries_total", "Total number of retries handled by workqueue", _QUEUE)
QUEUE_DURATION = _Described(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested",
    _QUEUE,
)
WORK_DURATION = _Described(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    _QUEUE,
)
REST_CLIENT_REQUESTS = _Described(
    "rest_client_requests_total",
    "Number of HTTP requests, partitioned by status code, method, and host.",
    ("code", "host", "method"),
)
API_REQUESTS = _Described(
    "afflux_api_requests_total",
    "Requests to the API server by verb; a server-side apply that changes nothing is a dry-run.",
    ("verb",),
)
BUILDS = _Described(
    "afflux_kustomize_builds_total", "Kustomizations that were built; what a commit doesn't touch isn't.", ()
)


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one process, in a registry of their own."""

    registry: CollectorRegistry
    reconcile_duration: Histogram
    reconcile_total: Counter
    reconcile_errors: Counter
    queue_adds: Counter
    queue_retries: Counter
    queue_duration: Histogram
    work_duration: Histogram
    rest_client_requests: Counter
    api_requests: Counter
    builds: Counter
    queues: "QueueCollector"
    _request_counters: dict[tuple[str, str, str, int], tuple[Counter, Counter]] = field(default_factory=dict)

    @classmethod
    def create(cls) -> "Metrics":
        """Metrics that nothing else shares."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        queues = QueueCollector()
        registry.register(queues)
        return cls(
            registry=registry,
            reconcile_duration=Histogram(*RECONCILE_DURATION, buckets=RECONCILE_BUCKETS, registry=registry),
            reconcile_total=Counter(*RECONCILE_TOTAL, registry=registry),
            reconcile_errors=Counter(*RECONCILE_ERRORS, registry=registry),
            queue_adds=Counter(*QUEUE_ADDS, registry=registry),
            queue_retries=Counter(*QUEUE_RETRIES, registry=registry),
            queue_duration=Histogram(*QUEUE_DURATION, buckets=QUEUE_BUCKETS, registry=registry),
            work_duration=Histogram(*WORK_DURATION, buckets=QUEUE_BUCKETS, registry=registry),
            rest_client_requests=Counter(*REST_CLIENT_REQUESTS, registry=registry),
            api_requests=Counter(*API_REQUESTS, registry=registry),
            builds=Counter(*BUILDS, registry=registry),
            queues=queues,
        )

    def count_api_request(self, verb: str, method: str, host: str, code: int) -> None:
        """A request that the API server has answered."""
        counters = self._request_counters.get((verb, method, host, code))
        if counters is None:
            counters = (self.api_requests.labels(verb), self.rest_client_requests.labels(str(code), host, method))
            self._request_counters[verb, method, host, code] = counters
        for counter in counters:
            counter.inc()

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)

    def forget(self, key: ObjectRef) -> None:
        """Drop the series of an object that is gone."""
        try:
            self.reconcile_duration.remove(key.kind, key.name, key.namespace)
        except KeyError:
            pass  # it was never reconciled


@dataclass(slots=True, eq=False)
class QueueCollector(Collector):
    """What the queues say of themselves at the moment of a scrape."""

    queues: dict[str, tuple[WorkQueue, int]] = field(default_factory=dict)
    """By controller: its queue, and how many workers it has."""

    def collect(self) -> Iterable[Metric]:
        """Depth, unfinished work, workers."""
        depth = _gauge("workqueue_depth", "Current depth of workqueue")
        unfinished = _gauge("workqueue_unfinished_work_seconds", "Seconds of work in progress that is not yet observed")
        longest = _gauge("workqueue_longest_running_processor_seconds", "Seconds the longest running worker has run")
        active = GaugeMetricFamily(
            "controller_runtime_active_workers",
            "Number of currently used workers per controller",
            labels=["controller"],
        )
        maximum = GaugeMetricFamily(
            "controller_runtime_max_concurrent_reconciles",
            "Maximum number of concurrent reconciles per controller",
            labels=["controller"],
        )
        for name, (queue, workers) in self.queues.items():
            running = queue.running_for
            depth.add_metric([name, name], queue.depth)
            unfinished.add_metric([name, name], sum(running))
            longest.add_metric([name, name], max(running, default=0.0))
            active.add_metric([name], len(running))
            maximum.add_metric([name], workers)
        return depth, unfinished, longest, active, maximum


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=["name", "controller"])
