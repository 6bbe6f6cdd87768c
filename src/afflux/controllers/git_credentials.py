"""What a GitRepository's Secret says: who we are to the server, and whom we trust there. Read anew for each run."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace

from afflux.api.condition_types import FETCH_FAILED
from afflux.api.git_repository import GitRepository
from afflux.api.reasons import AUTHENTICATION_FAILED, INVALID_PROVIDER_CONFIGURATION
from afflux.kube.client import KubeClient, Target
from afflux.kube.errors import KubeError
from afflux.objects.identity import GroupVersionKind
from afflux.objects.manifest import Manifest
from afflux.remotes.credentials import BasicAuth, BearerToken, Credentials, InvalidTrust, Trust
from afflux.remotes.git.remote import Remote
from afflux.runtime.ends import NotReady
from afflux.runtime.reconciler import Run

_SECRET = GroupVersionKind("", "v1", "Secret")
_CLIENT_CERTIFICATE = ("tls.crt", "tls.key", "certFile", "keyFile")
_APP_KEY = "githubAppID"


@dataclass(frozen=True, slots=True)
class GitAccess:
    """Credentials and trusted authorities; both may be absent."""

    credentials: Credentials | None = None
    trust: Trust | None = None


class InvalidSecret(ValueError):
    """A Secret that can't be used; the message names the key, never its value."""


class AppCredentials(InvalidSecret):
    """A Secret of a GitHub App where no App is to be used."""


async def with_access(remote: Remote, run: Run[GitRepository], client: KubeClient) -> Remote:
    """The remote with what ``spec.secretRef`` names, over what the URL itself says; as it is where it names nothing."""
    reference = run.object.spec.secret_ref
    if reference is None:
        return remote
    place = f"{run.key.namespace}/{reference.name}"
    async with run.step("reading the credentials", fails_as=AUTHENTICATION_FAILED, condition=FETCH_FAILED):
        try:
            access = access_of(await client.get(Target(_SECRET, run.key.namespace, reference.name)), remote)
        except KubeError as error:
            raise NotReady(AUTHENTICATION_FAILED, f"failed to get secret '{place}': {error}") from error
        except AppCredentials as error:
            raise NotReady(INVALID_PROVIDER_CONFIGURATION, f"secretRef '{place}' {error}") from error
        except InvalidSecret as error:
            message = f"failed to configure authentication options: {error} (secret '{place}')"
            raise NotReady(AUTHENTICATION_FAILED, message) from error
    return replace(remote, credentials=access.credentials, trust=access.trust)


def access_of(secret: Manifest, remote: Remote) -> GitAccess:
    """Credentials and authorities in a Secret. A bearer token wins over a password; what the Secret lacks of a user
    and password is taken from the URL. Raises ``InvalidSecret``."""
    data = secret.get("data")
    values = {key: _decoded(key, value) for key, value in data.items()} if isinstance(data, dict) else {}
    unsupported = [key for key in _CLIENT_CERTIFICATE if values.get(key)]
    if unsupported:
        raise InvalidSecret(f"{', '.join(unsupported)}: not supported by Afflux yet")
    access = GitAccess(_credentials(values, remote), _trust(values))
    if values.get(_APP_KEY):
        raise AppCredentials("has github app data but provider is not set to github")
    return access


def _credentials(values: Mapping[str, bytes], remote: Remote) -> Credentials | None:
    in_url = remote.credentials if isinstance(remote.credentials, BasicAuth) else BasicAuth("", "")
    if values.get("bearerToken"):
        if in_url.username:
            raise InvalidSecret("basic auth and bearer token cannot be set at the same time")
        return BearerToken(_text(values, "bearerToken"))
    username = _text(values, "username") or in_url.username
    password = _text(values, "password") or in_url.password
    if password and not username:
        scheme = remote.url.partition(":")[0]
        raise InvalidSecret(f"invalid '{scheme}' auth option: 'password' requires 'username' to be set")
    return BasicAuth(username, password) if username else None


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
        text = values.get(key, b"").decode()
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
