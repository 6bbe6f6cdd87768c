"""How to reach one cluster: read from a kubeconfig, or from what a Pod finds in itself."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from afflux.kube.credentials import (
    ClientCertificate,
    Credential,
    CredentialSource,
    ExecPlugin,
    FixedCredential,
    TokenFile,
    basic,
    bearer,
)
from afflux.kube.errors import ConfigError
from afflux.lang.yaml import YamlError, load
from afflux.objects.manifest import Json

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
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
    """One cluster, and who we are there. ``server`` has no slash at its end."""

    server: str
    credentials: CredentialSource = field(default_factory=FixedCredential, repr=False)
    namespace: str = "default"
    ca: bytes | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    impersonation: Impersonation = Impersonation()
    reread: Callable[[], "ClusterConfig"] | None = field(default=None, repr=False, compare=False)
    """Reads it again from where it came from: authorities are rotated in place."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a kubeconfig may ask for: a tenant's may neither run programs, nor read our files, nor switch off TLS."""

    programs: bool = True
    files: bool = True
    insecure_tls: bool = True


OURS = Trust()
TENANT = Trust(programs=False, files=False, insecure_tls=False)


def load_config(kubeconfig: Path | None, context: str | None = None) -> ClusterConfig:
    """The cluster that a kubeconfig's context names (the current one by default); without a file, the Pod's own.

    Raises ``ConfigError`` naming the file and the entry.
    """
    if kubeconfig is None:
        return in_cluster_config()
    try:
        text = kubeconfig.read_text()
    except OSError as error:
        raise ConfigError(f"kubeconfig {kubeconfig}: {error.strerror}") from error
    config = parse_config(text, context, source=str(kubeconfig), directory=kubeconfig.parent)
    return replace(config, reread=partial(load_config, kubeconfig, context))


def in_cluster_config(directory: Path = SERVICE_ACCOUNT) -> ClusterConfig:
    """The cluster this Pod runs in, as its service account."""
    try:
        ca = (directory / "ca.crt").read_bytes()
        namespace = (directory / "namespace").read_text().strip()
    except OSError as error:
        raise ConfigError(f"no kubeconfig is given and this isn't a Pod: {error.filename}: {error.strerror}") from error
    credentials = TokenFile(directory / "token")
    return ClusterConfig(
        server="https://kubernetes.default.svc",
        credentials=credentials,
        namespace=namespace,
        ca=ca,
        reread=partial(in_cluster_config, directory),
    )


def parse_config(
    text: str,
    context: str | None = None,
    *,
    source: str = "kubeconfig",
    directory: Path | None = None,
    trust: Trust = OURS,
) -> ClusterConfig:
    """The same from a kubeconfig's text. ``directory`` is what relative file names in it start from."""
    try:
        document = load(text, source=source)
    except YamlError as error:
        raise ConfigError(f"kubeconfig {source}: not valid YAML (line {error.line})") from error
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {source}: not a mapping")
    reader = _Reader(document, source, directory or Path(), trust)
    name = context or document.get("current-context")
    if not name:
        raise ConfigError(f"kubeconfig {source}: no current-context is set and no context is asked for")
    chosen = reader.entry("contexts", "context", str(name))
    cluster = reader.entry("clusters", "cluster", str(chosen.get("cluster") or ""))
    user_name = str(chosen.get("user") or "")
    user = reader.entry("users", "user", user_name) if user_name else {}
    config = _cluster(reader, str(chosen.get("cluster")), cluster)
    credentials = _credentials(reader, user_name, user, config)
    namespace = str(chosen.get("namespace") or "default")
    impersonation = _impersonation(reader, f"user {user_name!r}", user)
    return replace(config, credentials=credentials, namespace=namespace, impersonation=impersonation)


@dataclass(frozen=True, slots=True)
class _Reader:
    """A parsed kubeconfig; errors name the file and the entry."""

    document: dict[str, Json]
    source: str
    directory: Path
    trust: Trust

    def error(self, where: str, problem: str) -> ConfigError:
        return ConfigError(f"kubeconfig {self.source}: {where}: {problem}")

    def entry(self, section: str, body: str, name: str) -> dict[str, Json]:
        for entry in self.document.get(section) or ():
            if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(body), dict):
                found: dict[str, Json] = entry[body]
                return found
        raise self.error(section, f"no entry {name!r}")

    def file_or_data(self, where: str, entry: Mapping[str, Json], name: str) -> bytes | None:
        """``<name>-data`` (base64) or the file ``<name>``."""
        if data := entry.get(f"{name}-data"):
            try:
                return base64.b64decode(str(data), validate=True)
            except binascii.Error as error:
                raise self.error(where, f"{name}-data isn't base64") from error
        if path := entry.get(name):
            file = self.file(where, name, str(path))
            try:
                return file.read_bytes()
            except OSError as error:
                raise self.error(where, f"{name} {file}: {error.strerror}") from error
        return None

    def file(self, where: str, name: str, path: str) -> Path:
        if not self.trust.files:
            raise self.error(where, f"{name}: files aren't read for this kubeconfig; use {name}-data")
        return self.directory / path


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
        ca=reader.file_or_data(where, entry, "certificate-authority"),
        insecure=insecure,
        tls_server_name=entry.get("tls-server-name") or None,
        proxy_url=proxy,
    )


def _credentials(reader: _Reader, name: str, user: Mapping[str, Json], cluster: ClusterConfig) -> CredentialSource:
    where = f"user {name!r}"
    certificate = reader.file_or_data(where, user, "client-certificate")
    key = reader.file_or_data(where, user, "client-key")
    if (certificate is None) != (key is None):
        raise reader.error(where, "client-certificate and client-key go together")
    pair = ClientCertificate(certificate, key) if certificate is not None and key is not None else None
    if token := user.get("token"):
        return FixedCredential(Credential(bearer(str(token)), pair))
    if path := user.get("tokenFile"):
        return TokenFile(reader.file(where, "tokenFile", str(path)), pair)
    if plugin := user.get("exec"):
        return _exec_plugin(reader, where, plugin, cluster)
    if user.get("auth-provider"):
        raise reader.error(where, "auth-provider was removed from Kubernetes; use an exec plugin")
    if username := user.get("username"):
        return FixedCredential(Credential(basic(str(username), str(user.get("password") or "")), pair))
    return FixedCredential(Credential(None, pair))


def _exec_plugin(reader: _Reader, where: str, plugin: Json, cluster: ClusterConfig) -> ExecPlugin:
    if not reader.trust.programs:
        raise reader.error(where, "exec: credential plugins aren't run for this kubeconfig")
    if not isinstance(plugin, dict) or not plugin.get("command"):
        raise reader.error(where, "exec.command is missing")
    if plugin.get("apiVersion") not in EXEC_API_VERSIONS:
        raise reader.error(where, f"exec.apiVersion is {plugin.get('apiVersion')!r}, not {EXEC_API_VERSIONS[0]}")
    if plugin.get("interactiveMode") == "Always":
        raise reader.error(where, "exec.interactiveMode Always can't be served here")
    command = str(plugin["command"])
    if "/" in command:
        command = str(reader.directory / command)
    return ExecPlugin(
        command=command,
        args=tuple(str(argument) for argument in plugin.get("args") or ()),
        environment={str(e["name"]): str(e.get("value") or "") for e in plugin.get("env") or ()},
        api_version=plugin["apiVersion"],
        cluster_info=_exec_cluster(cluster) if plugin.get("provideClusterInfo") else None,
        install_hint=str(plugin.get("installHint") or ""),
    )


def _exec_cluster(cluster: ClusterConfig) -> dict[str, Json]:
    """``spec.cluster`` of an ExecCredential."""
    info: dict[str, Json] = {"server": cluster.server, "config": None}
    if cluster.ca:
        info["certificate-authority-data"] = base64.b64encode(cluster.ca).decode()
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
