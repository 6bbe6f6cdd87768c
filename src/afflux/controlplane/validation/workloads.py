"""Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs."""

import re

from afflux.controlplane.errors import FieldError
from afflux.controlplane.field_errors import forbidden, immutable, invalid_value, not_supported, required
from afflux.controlplane.validation.checks import (
    Errors,
    Node,
    counts,
    node,
    nodes,
    one_of,
    readable_selector,
    unchanged,
)
from afflux.controlplane.validation.formats import count_or_percent
from afflux.controlplane.validation.pods import only_always, validate_template
from afflux.objects.manifest import Json

_STATEFUL_SET_UPDATE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_STATEFUL_SET_FREE = frozenset(re.findall(r"'(\w+)'", _STATEFUL_SET_UPDATE))


def _selector_and_template(spec: Node, kind: str) -> Errors:
    """The selector must be there, select something and select the template's Pods, which are always restarted."""
    selector, template = spec.get("selector"), node(spec.get("template"))
    if not isinstance(selector, dict):
        yield required("spec.selector")
    else:
        if not (selector.get("matchLabels") or selector.get("matchExpressions")):
            yield invalid_value("spec.selector", selector, f"empty selector is invalid for {kind}")
        readable = readable_selector(selector, "spec.selector")
        labels = node(node(template.get("metadata")).get("labels"))
        if isinstance(readable, FieldError):
            yield readable
        elif not readable.matches(labels):
            text = "`selector` does not match template `labels`"
            yield invalid_value("spec.template.metadata.labels", labels, text)
    claims = [node(claim.get("metadata")).get("name") for claim in nodes(spec.get("volumeClaimTemplates"))]
    yield from validate_template(template, "spec.template", claims)
    yield from only_always(node(template.get("spec")), "spec.template.spec")


def validate_deployment(new: Node, old: Node | None) -> Errors:
    """The selector can't change once set."""
    spec = node(new.get("spec"))
    yield from counts(spec, "spec", "replicas")
    yield from _selector_and_template(spec, "deployment")
    yield from _deployment_strategy(node(spec.get("strategy")))
    yield from counts(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    ready, deadline = spec.get("minReadySeconds") or 0, spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= ready:
        yield invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    if old is not None:
        yield from unchanged(spec, node(old.get("spec")), "spec", "selector")


def _deployment_strategy(strategy: Node) -> Errors:
    rolling = strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                text = "may not be specified when strategy `type` is 'Recreate'"
                yield forbidden("spec.strategy.rollingUpdate", text)
        case "RollingUpdate":
            yield from _rolling(node(rolling), "spec.strategy.rollingUpdate")
        case other:
            yield from one_of("spec.strategy.type", other, ("Recreate", "RollingUpdate"))


def _rolling(rolling: Node, path: str) -> Errors:
    for name in ("maxUnavailable", "maxSurge"):
        for problem in count_or_percent(rolling.get(name)):
            yield invalid_value(f"{path}.{name}", rolling.get(name), problem)
    unavailable = rolling.get("maxUnavailable")
    if _is_zero(unavailable) and _is_zero(rolling.get("maxSurge")):
        yield invalid_value(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and unavailable[:-1].isdecimal() and int(unavailable[:-1]) > 100:
        yield invalid_value(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def _is_zero(value: Json) -> bool:
    return value in (0, "0%")


def validate_replica_set(new: Node, old: Node | None) -> Errors:
    """As a Deployment's, without a strategy."""
    spec = node(new.get("spec"))
    yield from counts(spec, "spec", "replicas", "minReadySeconds")
    yield from _selector_and_template(spec, "deployment")
    if old is not None:
        yield from unchanged(spec, node(old.get("spec")), "spec", "selector")


def validate_daemon_set(new: Node, old: Node | None) -> Errors:
    """The selector can't change once set."""
    spec = node(new.get("spec"))
    yield from _selector_and_template(spec, "daemonset")
    yield from counts(spec, "spec", "minReadySeconds", "revisionHistoryLimit")
    strategy = node(spec.get("updateStrategy"))
    yield from one_of("spec.updateStrategy.type", strategy.get("type"), ("RollingUpdate", "OnDelete"))
    if strategy.get("type") == "RollingUpdate":
        yield from _rolling(node(strategy.get("rollingUpdate")), "spec.updateStrategy.rollingUpdate")
    if old is not None:
        yield from unchanged(spec, node(old.get("spec")), "spec", "selector")


def validate_stateful_set(new: Node, old: Node | None) -> Errors:
    """Only a few fields can change after creation."""
    spec = node(new.get("spec"))
    policies = ("OrderedReady", "Parallel")
    yield from one_of("spec.podManagementPolicy", spec.get("podManagementPolicy"), policies)
    strategy = node(spec.get("updateStrategy"))
    yield from one_of("spec.updateStrategy.type", strategy.get("type"), ("RollingUpdate", "OnDelete"))
    yield from counts(spec, "spec", "replicas", "minReadySeconds", "revisionHistoryLimit")
    yield from _selector_and_template(spec, "statefulset")
    if old is not None and _bound_parts(spec) != _bound_parts(node(old.get("spec"))):
        yield forbidden("spec", _STATEFUL_SET_UPDATE)


def _bound_parts(spec: Node) -> Node:
    return {name: value for name, value in spec.items() if name not in _STATEFUL_SET_FREE and value is not None}


def validate_replication_controller(new: Node, old: Node | None) -> Errors:
    """Its selector is a plain map."""
    spec = node(new.get("spec"))
    selector, template = node(spec.get("selector")), node(spec.get("template"))
    yield from counts(spec, "spec", "replicas", "minReadySeconds")
    if not selector:
        yield required("spec.selector")
    labels = node(node(template.get("metadata")).get("labels"))
    if not selector.items() <= labels.items():
        yield invalid_value("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from validate_template(template, "spec.template")
    yield from only_always(node(template.get("spec")), "spec.template.spec")


_JOB_COUNTS = ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")


def validate_job(new: Node, old: Node | None) -> Errors:
    """What runs can't change, but for the template of a suspended Job."""
    spec = node(new.get("spec"))
    yield from _job_spec(spec, "spec")
    if old is None:
        return
    before = node(old.get("spec"))
    yield from unchanged(spec, before, "spec", "selector", "completionMode")
    if spec.get("completionMode") != "Indexed":
        yield from unchanged(spec, before, "spec", "completions")
    not_started = before.get("suspend") and not node(old.get("status")).get("startTime")
    if not not_started and spec.get("template") != before.get("template"):
        yield immutable("spec.template", spec.get("template"))


def _job_spec(spec: Node, path: str) -> Errors:
    yield from counts(spec, path, *_JOB_COUNTS)
    yield from one_of(f"{path}.completionMode", spec.get("completionMode"), ("NonIndexed", "Indexed"))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        yield required(f"{path}.completions", "when completion mode is Indexed")
    template = node(spec.get("template"))
    yield from validate_template(template, f"{path}.template")
    policy, field = node(template.get("spec")).get("restartPolicy"), f"{path}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        yield required(field, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(field, policy, ("OnFailure", "Never"))


_CRON_MACROS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*?/,\-#L]+")
_CONCURRENCY = ("Allow", "Forbid", "Replace")


def validate_cron_job(new: Node, old: Node | None) -> Errors:
    """A schedule that can be read, and a Job template that would be accepted."""
    spec = node(new.get("spec"))
    schedule = spec.get("schedule")
    if not schedule:
        yield required("spec.schedule")
    elif problem := _schedule_problem(str(schedule)):
        yield invalid_value("spec.schedule", schedule, problem)
    yield from one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY)
    yield from counts(spec, "spec", "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    yield from _job_spec(node(node(spec.get("jobTemplate")).get("spec")), "spec.jobTemplate.spec")
    name = str(node(new.get("metadata")).get("name") or "")
    if old is None and len(name) > 52:
        yield invalid_value("metadata.name", name, "must be no more than 52 characters")


def _schedule_problem(schedule: str) -> str:
    if schedule.startswith("@"):
        known = schedule in _CRON_MACROS or schedule.startswith("@every ")
        return "" if known else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    bad = next((field for field in fields if not _CRON_FIELD.fullmatch(field)), "")
    return f'failed to parse int from {bad}: strconv.Atoi: parsing "{bad}": invalid syntax' if bad else ""
