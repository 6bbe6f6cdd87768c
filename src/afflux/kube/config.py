"""How to reach one cluster: read from a kubeconfig, or from what a Pod finds in itself."""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from afflux.kube.credentials import (
    CertificateFiles,
    Credential,
    CredentialSource,
    ExecPlugin,
    FixedCredential,
    TokenFile,
    basic,
    bearer,
)
from afflux.kube.errors import ConfigError
from afflux.kube.kubeconfig import kubeconfig_files, parsed_kubeconfig, read_kubeconfigs, resolved
from afflux.kube.proxies import proxy_for
from afflux.kube.watched_file import WatchedFile
from afflux.objects.manifest import Json

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""The extension of a cluster that holds what its plugins are told."""

EXEC_API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True)
class Impersonation:
    """Whom the server is asked to take us for."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """One cluster, and who we are there. ``server`` has no slash at its end; ``ca_file`` goes before ``ca``."""

    server: str
    credentials: CredentialSource = field(default_factory=FixedCredential, repr=False)
    namespace: str = "default"
    ca: bytes | None = None
    ca_file: WatchedFile | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    impersonation: Impersonation = Impersonation()
    reread: Callable[[], "ClusterConfig"] | None = field(default=None, repr=False, compare=False)
    """Reads it again from where it came from: authorities are rotated in place."""

    @property
    def trusted(self) -> bytes | None:
        """The CA to trust now (PEM); None: the system's."""
        return self.ca_file.read() if self.ca_file is not None else self.ca


@dataclass(frozen=True, slots=True)
class Trust:
    """What a kubeconfig may ask for: a tenant's may neither run programs, nor read our files, nor switch off TLS."""

    programs: bool = True
    files: bool = True
    insecure_tls: bool = True


OURS = Trust()
TENANT = Trust(programs=False, files=False, insecure_tls=False)


def load_config(
    kubeconfig: Path | None, context: str | None = None, environment: Mapping[str, str] | None = None
) -> ClusterConfig:
    """The cluster that a kubeconfig's context names (the current one by default), found as kubectl finds it: the given
    file, the files of KUBECONFIG, ``~/.kube/config``, the Pod's own.

    Raises ``ConfigError`` naming the file and the entry.
    """
    environment = environment or {}
    files = kubeconfig_files(kubeconfig, environment)
    if not files:
        config = in_cluster_config(environment=environment)
        if context:
            raise ConfigError(f"there is no kubeconfig with the context {context!r}: this Pod's own cluster is used")
    else:
        config = _config_of(read_kubeconfigs(files), context, os.pathsep.join(str(file) for file in files), OURS)
    proxy = config.proxy_url or proxy_for(config.server, environment)
    return replace(config, proxy_url=proxy, reread=partial(load_config, kubeconfig, context, environment))


def in_cluster_config(directory: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] | None = None) -> ClusterConfig:
    """The cluster this Pod runs in, as its service account; its CA and token are read again as they rotate."""
    ca_file = WatchedFile(directory / "ca.crt")
    try:
        ca = ca_file.read()
        namespace = (directory / "namespace").read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"no kubeconfig is given (--kubeconfig, KUBECONFIG or ~/.kube/config) and this isn't a Pod: "
            f"{error.filename}: {error.strerror}"
        ) from error
    credentials = TokenFile(directory / "token")
    server = _service(environment or {})
    return ClusterConfig(
        server=server,
        credentials=credentials,
        namespace=namespace,
        ca=ca,
        ca_file=ca_file,
        reread=partial(in_cluster_config, directory, environment),
    )


def _service(environment: Mapping[str, str]) -> str:
    """Where a Pod is told that the API server is."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        return "https://kubernetes.default.svc"
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def parse_config(
    text: str,
    context: str | None = None,
    *,
    source: str = "kubeconfig",
    directory: Path | None = None,
    trust: Trust = OURS,
) -> ClusterConfig:
    """The same from a kubeconfig's text. ``directory`` is what relative file names in it start from."""
    document = resolved(parsed_kubeconfig(text, source), directory or Path())
    return _config_of(document, context, source, trust)


def _config_of(document: dict[str, Json], context: str | None, source: str, trust: Trust) -> ClusterConfig:
    reader = _Reader(document, source, trust)
    name = context or document.get("current-context")
    if not name:
        raise ConfigError(f"kubeconfig {source}: no current-context is set and no context is asked for")
    chosen = reader.entry("contexts", "context", str(name))
    cluster = reader.entry("clusters", "cluster", str(chosen.get("cluster") or ""))
    user_name = str(chosen.get("user") or "")
    user = reader.entry("users", "user", user_name) if user_name else {}
    config = _cluster(reader, str(chosen.get("cluster")), cluster)
    credentials = _credentials(reader, user_name, user, config, _exec_extension(cluster))
    namespace = str(chosen.get("namespace") or "default")
    impersonation = _impersonation(reader, f"user {user_name!r}", user)
    return replace(config, credentials=credentials, namespace=namespace, impersonation=impersonation)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A parsed kubeconfig; errors name the file and the entry."""

    document: dict[str, Json]
    source: str
    trust: Trust

    def error(self, where: str, problem: str) -> ConfigError:
        return ConfigError(f"kubeconfig {self.source}: {where}: {problem}")

    def entry(self, section: str, body: str, name: str) -> dict[str, Json]:
        for entry in self.document.get(section) or ():
            if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(body), dict):
                found: dict[str, Json] = entry[body]
                return found
        raise self.error(section, f"no entry {name!r}")

    def data(self, where: str, entry: Mapping[str, Json], name: str) -> bytes | None:
        """``<name>-data`` (base64)."""
        try:
            return base64.b64decode(str(entry[f"{name}-data"]), validate=True) if entry.get(f"{name}-data") else None
        except binascii.Error as error:
            raise self.error(where, f"{name}-data isn't base64") from error

    def file(self, where: str, entry: Mapping[str, Json], name: str) -> WatchedFile | None:
        """The file ``<name>``, seen to be readable; its data, where there is some, goes before it."""
        if not entry.get(name) or entry.get(f"{name}-data"):
            return None
        if not self.trust.files:
            raise self.error(where, f"{name}: files aren't read for this kubeconfig; use {name}-data")
        file = WatchedFile(Path(str(entry[name])))
        try:
            file.read()
        except OSError as error:
            raise self.error(where, f"{name} {file.path}: {error.strerror}") from error
        return file


def _cluster(reader: _Reader, name: str, entry: Mapping[str, Json]) -> ClusterConfig:
    where = f"cluster {name!r}"
    server = str(entry.get("server") or "").rstrip("/")
    if urlsplit(server).scheme not in ("http", "https"):
        raise reader.error(where, f"server isn't an http or https URL: {server!r}")
    insecure = entry.get("insecure-skip-tls-verify") is True
    if insecure and not reader.trust.insecure_tls:
        raise reader.error(where, "insecure-skip-tls-verify isn't allowed here")
    proxy = entry.get("proxy-url") or None
    if proxy and urlsplit(str(proxy)).scheme not in ("http", "https"):
        raise reader.error(where, "proxy-url isn't an http or https URL")
    return ClusterConfig(
        server=server,
        ca=reader.data(where, entry, "certificate-authority"),
        ca_file=reader.file(where, entry, "certificate-authority"),
        insecure=insecure,
        tls_server_name=entry.get("tls-server-name") or None,
        proxy_url=proxy,
    )


def _credentials(
    reader: _Reader, name: str, user: Mapping[str, Json], cluster: ClusterConfig, plugin_config: Json
) -> CredentialSource:
    """What a user is known by: a certificate (if any), and the first of token file, token, plugin and password."""
    where = f"user {name!r}"
    who = _bearer(reader, where, user, cluster, plugin_config)
    parts = [
        (reader.data(where, user, part), reader.file(where, user, part))
        for part in ("client-certificate", "client-key")
    ]
    given = [data is not None or file is not None for data, file in parts]
    if given[0] != given[1]:
        raise reader.error(where, "client-certificate and client-key go together")
    return CertificateFiles(who, *(file or data or b"" for data, file in parts)) if given[0] else who


def _bearer(
    reader: _Reader, where: str, user: Mapping[str, Json], cluster: ClusterConfig, plugin_config: Json
) -> CredentialSource:
    if path := user.get("tokenFile"):
        if not reader.trust.files:
            raise reader.error(where, "tokenFile: files aren't read for this kubeconfig; use token")
        return TokenFile(Path(str(path)), str(user.get("token") or ""))
    if token := user.get("token"):
        return FixedCredential(Credential(bearer(str(token))))
    if plugin := user.get("exec"):
        return _exec_plugin(reader, where, plugin, _exec_cluster(cluster, plugin_config))
    if user.get("auth-provider"):
        raise reader.error(where, "auth-provider was removed from Kubernetes; use an exec plugin")
    if username := user.get("username"):
        return FixedCredential(Credential(basic(str(username), str(user.get("password") or ""))))
    return FixedCredential()


def _exec_plugin(reader: _Reader, where: str, plugin: Json, cluster_info: Json) -> ExecPlugin:
    if not reader.trust.programs:
        raise reader.error(where, "exec: credential plugins aren't run for this kubeconfig")
    if not isinstance(plugin, dict) or not plugin.get("command"):
        raise reader.error(where, "exec.command is missing")
    if plugin.get("apiVersion") not in EXEC_API_VERSIONS:
        raise reader.error(where, f"exec.apiVersion is {plugin.get('apiVersion')!r}, not {EXEC_API_VERSIONS[0]}")
    if plugin.get("interactiveMode") == "Always":
        raise reader.error(where, "exec.interactiveMode Always can't be served here")
    return ExecPlugin(
        command=str(plugin["command"]),
        args=tuple(str(argument) for argument in plugin.get("args") or ()),
        environment={str(e["name"]): str(e.get("value") or "") for e in plugin.get("env") or ()},
        api_version=plugin["apiVersion"],
        cluster_info=cluster_info if plugin.get("provideClusterInfo") else None,
        install_hint=str(plugin.get("installHint") or ""),
    )


def _exec_extension(cluster: Mapping[str, Json]) -> Json:
    """What the kubeconfig has for the plugins of a cluster."""
    for one in cluster.get("extensions") or ():
        if isinstance(one, dict) and one.get("name") == _EXEC_EXTENSION:
            return one.get("extension")
    return None


def _exec_cluster(cluster: ClusterConfig, plugin_config: Json) -> dict[str, Json]:
    """``spec.cluster`` of an ExecCredential."""
    info: dict[str, Json] = {"server": cluster.server, "config": plugin_config}
    if trusted := cluster.trusted:
        info["certificate-authority-data"] = base64.b64encode(trusted).decode()
    if cluster.insecure:
        info["insecure-skip-tls-verify"] = True
    if cluster.tls_server_name:
        info["tls-server-name"] = cluster.tls_server_name
    if cluster.proxy_url:
        info["proxy-url"] = cluster.proxy_url
    return info


def _impersonation(reader: _Reader, where: str, user: Mapping[str, Json]) -> Impersonation:
    extra = user.get("as-user-extra") or {}
    if not user.get("as") and (extra or user.get("as-groups") or user.get("as-uid")):
        raise reader.error(where, "as-groups, as-uid and as-user-extra need a user to impersonate (as)")
    return Impersonation(
        user=str(user.get("as") or ""),
        groups=tuple(str(group) for group in user.get("as-groups") or ()),
        uid=str(user.get("as-uid") or ""),
        extra={str(key): tuple(str(v) for v in values or ()) for key, values in extra.items()},
    )
