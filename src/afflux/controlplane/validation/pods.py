"""Pods and Pod templates."""

from collections.abc import Iterable

from afflux.controlplane.field_errors import duplicate, forbidden, invalid_value, not_found, not_supported, required
from afflux.controlplane.validation.checks import (
    Errors,
    Node,
    counts,
    node,
    nodes,
    one_of,
    present,
    unique_names,
    well_formed,
)
from afflux.controlplane.validation.formats import (
    amount,
    dns_label,
    dns_subdomain,
    env_name,
    port_name,
    port_number,
    port_reference,
)
from afflux.controlplane.validation.pod_lists import devices, pod_lists
from afflux.objects.manifest import Json

_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_POD_UPDATE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def validate_pod(new: Node, old: Node | None) -> Errors:
    """A Pod; after creation nearly nothing of its spec may change."""
    spec = node(new.get("spec"))
    if old is None:
        yield from pod_spec(spec, "spec")
    elif len(nodes(spec.get("containers"))) != len(nodes(node(old.get("spec")).get("containers"))):
        yield forbidden("spec.containers", "pod updates may not add or remove containers")
    elif _frozen(spec) != _frozen(node(old.get("spec"))) or not _may_have_grace(spec, node(old.get("spec"))):
        yield forbidden("spec", _POD_UPDATE)
    else:
        gates = nodes(node(old.get("spec")).get("schedulingGates"))
        for gate in nodes(spec.get("schedulingGates")):
            if gate not in gates:
                words = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
                yield forbidden("spec.schedulingGates", words)
        before = nodes(node(old.get("spec")).get("tolerations"))
        if any(toleration not in nodes(spec.get("tolerations")) for toleration in before):
            yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")


def _frozen(spec: Node) -> Node:
    """What of a Pod's spec must stay as it was."""
    free = (
        "activeDeadlineSeconds",
        "tolerations",
        "terminationGracePeriodSeconds",
        "ephemeralContainers",
        "schedulingGates",
    )
    kept = {name: value for name, value in spec.items() if name not in free}
    for name in ("containers", "initContainers"):
        kept[name] = [{k: v for k, v in one.items() if k != "image"} for one in nodes(spec.get(name))]
    return kept


def _may_have_grace(spec: Node, before: Node) -> bool:
    now, then = spec.get("terminationGracePeriodSeconds"), before.get("terminationGracePeriodSeconds")
    return bool(now == then or (now == 1 and isinstance(then, int) and then < 0))


def validate_pod_template(new: Node, _: Node | None) -> Errors:
    """The kind that holds nothing but a template."""
    yield from validate_template(node(new.get("template")), "template")


def validate_template(template: Node, path: str, claims: Iterable[Json] = ()) -> Errors:
    """A workload's Pod template; containers may also mount the ``claims`` that the workload brings along."""
    yield from pod_spec(node(template.get("spec")), f"{path}.spec", claims)


def pod_spec(spec: Node, path: str, claims: Iterable[Json] = ()) -> Errors:
    """Volumes, containers, policies: in the server's order."""
    volumes = nodes(spec.get("volumes"))
    yield from _volumes(volumes, f"{path}.volumes")
    names = {*claims, *(volume.get("name") for volume in volumes)}
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[Json] = set()
    for field in ("containers", "initContainers", "ephemeralContainers"):
        for index, container in enumerate(nodes(spec.get(field))):
            where = f"{path}.{field}[{index}]"
            yield from _container(container, where, names)
            name = container.get("name") or ""
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    yield from pod_lists(spec, path)
    yield from counts(spec, path, "terminationGracePeriodSeconds")
    for field in ("serviceAccountName", "nodeName", "priorityClassName"):
        if spec.get(field):
            yield from well_formed(f"{path}.{field}", spec[field], dns_subdomain)
    if spec.get("hostname"):
        yield from well_formed(f"{path}.hostname", spec["hostname"], dns_label)


def _volumes(volumes: list[Node], path: str) -> Errors:
    for index, volume in enumerate(volumes):
        where = f"{path}[{index}]"
        if volume.get("name"):
            yield from well_formed(f"{where}.name", volume["name"], dns_label)
        else:
            yield required(f"{where}.name")
        sources = [name for name in volume if name != "name" and volume[name] is not None]
        for extra in sources[1:]:
            yield forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        for source in sources[:1]:
            yield from _volume_source(source, node(volume[source]), f"{where}.{source}")
    yield from unique_names(volumes, path)


_REQUIRED_IN_SOURCE = {
    "secret": ("secretName",),
    "configMap": ("name",),
    "hostPath": ("path",),
    "persistentVolumeClaim": ("claimName",),
    "nfs": ("server", "path"),
    "csi": ("driver",),
}


def _volume_source(source: str, value: Node, path: str) -> Errors:
    yield from present(value, path, *_REQUIRED_IN_SOURCE.get(source, ()))
    mode = value.get("defaultMode")
    if isinstance(mode, int) and not 0 <= mode <= 0o777:
        text = "must be a number between 0 and 0777 (octal), both inclusive"
        yield invalid_value(f"{path}.defaultMode", mode, text)


def _container(container: Node, path: str, volumes: set[Json]) -> Errors:
    if container.get("name"):
        yield from well_formed(f"{path}.name", container["name"], dns_label)
    else:
        yield required(f"{path}.name")
    image = container.get("image")
    if not image:
        yield required(f"{path}.image")
    elif image != str(image).strip():
        yield invalid_value(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from _ports(nodes(container.get("ports")), f"{path}.ports")
    yield from _env(nodes(container.get("env")), f"{path}.env")
    yield from _env_from(nodes(container.get("envFrom")), f"{path}.envFrom")
    yield from _mounts(nodes(container.get("volumeMounts")), f"{path}.volumeMounts", volumes)
    yield from devices(container, path, volumes)
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _resources(node(container.get("resources")), f"{path}.resources")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(name), dict):
            yield from _probe(container[name], f"{path}.{name}", must_succeed_once=name != "readinessProbe")
    for name, hook in node(container.get("lifecycle")).items():
        if isinstance(hook, dict):
            yield from _handler(hook, f"{path}.lifecycle.{name}")


_STANDARD_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})


def _resources(resources: Node, path: str) -> Errors:
    limits, requests = node(resources.get("limits")), node(resources.get("requests"))
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, quantity in amounts.items():
            value = amount(quantity)
            if "/" not in name and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
                for words in (
                    "must be a standard resource type or fully qualified",
                    "must be a standard resource for containers",
                ):
                    yield invalid_value(f"{path}.{field}[{name}]", name, words)
            if value is not None and value < 0:
                yield invalid_value(f"{path}.{field}[{name}]", quantity, "must be greater than or equal to 0")
    for name, quantity in requests.items():
        asked, most = amount(quantity), amount(limits.get(name))
        if asked is None or most is None:
            continue
        # What isn't Kubernetes' own can't be promised twice.
        exact = "/" in name or name.startswith("hugepages-")
        if asked > most or (exact and asked != most):
            how = "equal to" if exact else "less than or equal to"
            yield invalid_value(f"{path}.requests", quantity, f"must be {how} {name} limit of {limits[name]}")


def _ports(ports: list[Node], path: str) -> Errors:
    names: set[Json] = set()
    for index, port in enumerate(ports):
        where, name = f"{path}[{index}]", port.get("name")
        if name:
            yield from well_formed(f"{where}.name", name, port_name)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{where}.containerPort")
        else:
            for problem in port_number(port["containerPort"]):
                yield invalid_value(f"{where}.containerPort", port["containerPort"], problem)
        if port.get("hostPort"):
            for problem in port_number(port["hostPort"]):
                yield invalid_value(f"{where}.hostPort", port["hostPort"], problem)
        yield from one_of(f"{where}.protocol", port.get("protocol"), _PROTOCOLS)


_ENV_SOURCES = {"fieldRef": ("fieldPath",), "resourceFieldRef": ("resource",), "configMapKeyRef": ("key",)}


def _env(variables: list[Node], path: str) -> Errors:
    for index, variable in enumerate(variables):
        where = f"{path}[{index}]"
        if variable.get("name"):
            yield from well_formed(f"{where}.name", variable["name"], env_name)
        else:
            yield required(f"{where}.name")
        if isinstance(source := variable.get("valueFrom"), dict):
            yield from _value_from(variable, source, f"{where}.valueFrom")


def _value_from(variable: Node, source: Node, path: str) -> Errors:
    given = [name for name in source if isinstance(source[name], dict)]
    for name in given:
        yield from present(source[name], f"{path}.{name}", *_ENV_SOURCES.get(name, ("key",) if "Key" in name else ()))
        if name == "fieldRef" and source[name].get("fieldPath"):
            yield from _field_reference(str(source[name]["fieldPath"]), f"{path}.fieldRef.fieldPath")
    if not given:
        yield invalid_value(
            path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        )
    elif variable.get("value"):
        yield invalid_value(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid_value(path, "", "may not have more than one field specified at a time")


_ENV_FIELDS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"),
    *("status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"),
)
_POD_FIELDS = frozenset(
    {
        *_ENV_FIELDS,
        "metadata.labels",
        "metadata.annotations",
        "spec.restartPolicy",
        "spec.schedulerName",
        "status.phase",
    }
)


def _field_reference(field: str, path: str) -> Errors:
    """A field of the Pod, or one label or annotation of it."""
    if field.endswith("']") and field.startswith(("metadata.labels['", "metadata.annotations['")):
        return
    if field not in _POD_FIELDS:
        yield invalid_value(path, field, f"error converting fieldPath: field label not supported: {field}")
    elif field not in _ENV_FIELDS:
        yield not_supported(path, field, _ENV_FIELDS)


def _env_from(sources: list[Node], path: str) -> Errors:
    for index, source in enumerate(sources):
        where = f"{path}[{index}]"
        given = [name for name in ("configMapRef", "secretRef") if isinstance(source.get(name), dict)]
        if not given:
            yield invalid_value(where, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid_value(where, "", "may not have more than one field specified at a time")
        for name in given:
            yield from present(source[name], f"{where}.{name}", "name")


def _mounts(mounts: list[Node], path: str, volumes: set[Json]) -> Errors:
    places: set[Json] = set()
    for index, mount in enumerate(mounts):
        where, name, place = f"{path}[{index}]", mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield not_found(f"{where}.name", name)
        if not place:
            yield required(f"{where}.mountPath")
        elif place in places:
            yield invalid_value(f"{where}.mountPath", place, "must be unique")
        places.add(place)


def _probe(probe: Node, path: str, *, must_succeed_once: bool) -> Errors:
    yield from _handler(probe, path)
    yield from counts(
        probe, path, "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"
    )
    if must_succeed_once and probe.get("successThreshold") not in (None, 1):
        yield invalid_value(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(handler: Node, path: str) -> Errors:
    given = [name for name in _HANDLERS if isinstance(handler.get(name), dict)]
    if not given:
        yield required(path, "must specify a handler type")
    for extra in given[1:]:
        yield forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for name in given[:1]:
        yield from _action(name, handler[name], f"{path}.{name}")


def _action(name: str, action: Node, path: str) -> Errors:
    if name == "exec" and not action.get("command"):
        yield required(f"{path}.command")
    if name in ("httpGet", "tcpSocket"):
        for problem in port_reference(action.get("port")):
            yield invalid_value(f"{path}.port", action.get("port"), problem)
    if name == "httpGet":
        yield from one_of(f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))


def only_always(spec: Node, path: str) -> Errors:
    """Pods that a controller keeps running are always restarted."""
    policy = spec.get("restartPolicy")
    if policy and policy != "Always":
        yield not_supported(f"{path}.restartPolicy", policy, ("Always",))
