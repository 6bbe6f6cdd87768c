"""What a GitRepository's Secret says: who we are to the server, and whom we trust there. Read anew for each run."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from afflux.api.condition_types import FETCH_FAILED
from afflux.api.git_repository import GitRepository
from afflux.api.reasons import AUTHENTICATION_FAILED
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import KubeError
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.remotes.credentials import BasicAuth, BearerToken, Credentials, InvalidTrust, Trust
from afflux.runtime.ends import NotReady
from afflux.runtime.reconciler import Run

_SECRET = GroupVersionKind("", "v1", "Secret")
_CLIENT_CERTIFICATE = ("tls.crt", "tls.key", "certFile", "keyFile")
_APP_KEYS = ("githubAppID", "githubAppPrivateKey")


@dataclass(frozen=True, slots=True)
class GitAccess:
    """Credentials and trusted authorities; both may be absent."""

    credentials: Credentials | None = None
    trust: Trust | None = None


class InvalidSecret(ValueError):
    """A Secret that can't be used; the message names the key, never its value."""


async def read_access(run: Run[GitRepository], client: KubeClient) -> GitAccess:
    """What ``spec.secretRef`` names; nothing where it names nothing."""
    reference = run.object.spec.secret_ref
    if reference is None:
        return GitAccess()
    place = f"{run.key.namespace}/{reference.name}"
    async with run.step("reading the credentials", fails_as=AUTHENTICATION_FAILED, condition=FETCH_FAILED):
        try:
            return access_of(await client.get(Target(_SECRET, run.key.namespace, reference.name)))
        except KubeError as error:
            raise NotReady(AUTHENTICATION_FAILED, f"failed to get secret '{place}': {error}") from error
        except InvalidSecret as error:
            raise NotReady(AUTHENTICATION_FAILED, f"secret '{place}': {error}") from error


def access_of(secret: Manifest) -> GitAccess:
    """Credentials and authorities in a Secret. A bearer token wins over a password. Raises ``InvalidSecret``."""
    data = secret.get("data")
    values = {key: _decoded(key, value) for key, value in data.items()} if isinstance(data, dict) else {}
    unsupported = [key for key in (*_CLIENT_CERTIFICATE, *_APP_KEYS) if values.get(key)]
    if unsupported:
        raise InvalidSecret(f"{', '.join(unsupported)}: not supported by Afflux yet")
    return GitAccess(_credentials(values), _trust(values))


def _credentials(values: Mapping[str, bytes]) -> Credentials | None:
    if values.get("bearerToken"):
        return BearerToken(_text(values, "bearerToken"))
    if values.get("username"):
        return BasicAuth(_text(values, "username"), _text(values, "password") if "password" in values else "")
    if values.get("password"):
        raise InvalidSecret("password without username")
    return None


def _trust(values: Mapping[str, bytes]) -> Trust | None:
    key = "ca.crt" if values.get("ca.crt") else "caFile"
    if not values.get(key):
        return None
    try:
        return Trust.from_pem(values[key])
    except InvalidTrust as error:
        raise InvalidSecret(f"{key}: {error}") from None


def _text(values: Mapping[str, bytes], key: str) -> str:
    try:
        text = values[key].decode()
    except UnicodeDecodeError:
        raise InvalidSecret(f"{key} is not UTF-8 text") from None
    if any(char in text for char in "\r\n\0"):
        raise InvalidSecret(f"{key} holds a line break or a NUL")
    return text


def _decoded(key: str, value: object) -> bytes:
    try:
        return base64.b64decode(value if isinstance(value, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidSecret(f"{key} is not base64") from None
