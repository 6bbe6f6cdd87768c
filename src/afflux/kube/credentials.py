"""Who we are for the API server: a source of request headers and, where a plugin issues one, a client certificate."""

import asyncio
import base64
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson

from afflux.kube.errors import ConfigError
from afflux.kube.watched_file import WatchedFile
from afflux.objects.manifest import Json

TOKEN_FILE_AGE = 60.0
"""Seconds after which a token file is read again, as client-go does."""

PLUGIN_TIMEOUT = 60.0
"""Seconds that a plugin may take."""

EXPIRY_MARGIN = 30.0
"""Seconds before a plugin's credential expires at which it is asked for a new one."""


class ClientCertificate(NamedTuple):
    """A certificate chain and its key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "ClientCertificate(...)"


class Credential(NamedTuple):
    """What one request is sent with."""

    authorization: str | None = None
    client_certificate: ClientCertificate | None = None

    def __repr__(self) -> str:
        return "Credential(...)"


NOTHING = Credential()


class CredentialSource(Protocol):
    """Gives the credential that is good now."""

    async def current(self) -> Credential:
        """The credential to use; raises ``ConfigError`` if there is none to be had."""
        ...

    def refused(self, credential: Credential) -> None:
        """The server answered 401 to this credential: read or issue it anew next time, unless that was done."""
        ...


@dataclass(frozen=True, slots=True)
class FixedCredential:
    """A token, a user and password, a client certificate, or nothing at all."""

    credential: Credential = field(default=Credential(), repr=False)

    async def current(self) -> Credential:
        """The same one, always."""
        return self.credential

    def refused(self, credential: Credential) -> None:
        """There is no other."""


def bearer(token: str) -> str:
    """The ``Authorization`` header of a bearer token."""
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The ``Authorization`` header of a user and password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@dataclass(slots=True)
class TokenFile:
    """A token that something else keeps fresh in a file (a service account's projected token).

    ``fallback`` is used for as long as the file can't be read.
    """

    path: Path
    fallback: str = field(default="", repr=False)
    _token: str = field(default="", init=False, repr=False)
    _read_at: float = field(default=float("-inf"), init=False)

    async def current(self) -> Credential:
        """The file's token; read again after a minute."""
        if time.monotonic() - self._read_at > TOKEN_FILE_AGE:
            try:
                self._token = self.path.read_text().strip() or self._token
            except OSError as error:
                if not self._token and not self.fallback:
                    raise ConfigError(f"token file {self.path}: {error.strerror}") from error
            self._read_at = time.monotonic()
        if not self._token and not self.fallback:
            raise ConfigError(f"token file {self.path} is empty")
        return Credential(bearer(self._token or self.fallback))

    def refused(self, credential: Credential) -> None:
        """Read the file again at the next request."""
        if credential.authorization == bearer(self._token or self.fallback):
            self._read_at = float("-inf")


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A client certificate beside another credential; parts that lie in files are read again as they rotate."""

    inner: CredentialSource
    certificate: WatchedFile | bytes = field(repr=False)
    key: WatchedFile | bytes = field(repr=False)

    async def current(self) -> Credential:
        """The inner credential with the certificate of now."""
        pair = ClientCertificate(_content(self.certificate), _content(self.key))
        return (await self.inner.current())._replace(client_certificate=pair)

    def refused(self, credential: Credential) -> None:
        """Look at the files at the next request."""
        for part in (self.certificate, self.key):
            if isinstance(part, WatchedFile):
                part.look_again()
        self.inner.refused(credential._replace(client_certificate=None))


def _content(part: WatchedFile | bytes) -> bytes:
    return part if isinstance(part, bytes) else part.read()


@dataclass(slots=True)
class ExecPlugin:
    """A ``client.authentication.k8s.io/v1`` (or v1beta1) credential plugin."""

    command: str
    args: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    api_version: str
    cluster_info: Json = None
    install_hint: str = ""
    _credential: Credential | None = field(default=None, init=False, repr=False)
    _expires: float = field(default=float("inf"), init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def current(self) -> Credential:
        """The plugin's credential; the plugin runs again shortly before it expires."""
        async with self._lock:
            if self._credential is None or time.time() > self._expires - EXPIRY_MARGIN:
                self._credential, self._expires = _credential_of(await self._run(), self.command, self.api_version)
            return self._credential

    def refused(self, credential: Credential) -> None:
        """Run the plugin again at the next request, unless it did since."""
        if credential == self._credential:
            self._credential = None

    async def _run(self) -> bytes:
        spec: dict[str, Json] = {"interactive": False}
        if self.cluster_info is not None:
            spec["cluster"] = self.cluster_info
        info = {"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec}
        environment = {**os.environ, **self.environment, "KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}
        try:
            process = await asyncio.create_subprocess_exec(
                self.command,
                *self.args,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = f"; {self.install_hint}" if self.install_hint else ""
            raise ConfigError(f"credential plugin {self.command!r}: {error.strerror}{hint}") from error
        output, errors = await self._ended(process)
        if process.returncode:
            said = errors.decode("utf-8", "replace").strip()[-500:]
            raise ConfigError(f"credential plugin {self.command!r} ended with {process.returncode}: {said}")
        return output

    async def _ended(self, process: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        try:
            return await asyncio.wait_for(process.communicate(), PLUGIN_TIMEOUT)
        except TimeoutError as error:
            raise ConfigError(f"credential plugin {self.command!r} didn't end in {PLUGIN_TIMEOUT:g} s") from error
        finally:
            if process.returncode is None:
                process.kill()


def _credential_of(output: bytes, command: str, api_version: str) -> tuple[Credential, float]:
    """The credential in a plugin's answer, and when it expires (seconds since the epoch)."""
    try:
        answer = orjson.loads(output)
        status = answer["status"]
        version = answer.get("apiVersion")
        if version != api_version:
            raise ConfigError(f"credential plugin {command!r} answered in {version!r}, not {api_version}")
        expires = status.get("expirationTimestamp")
        until = _seconds(expires) if expires else float("inf")
        certificate = status.get("clientCertificateData")
        pair = ClientCertificate(certificate.encode(), status["clientKeyData"].encode()) if certificate else None
        token = status.get("token")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"credential plugin {command!r} didn't answer with an ExecCredential") from error
    return Credential(bearer(token) if token else None, pair), until


def _seconds(moment: str) -> float:
    parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
