"""Artifacts of foreign stores: fetched over HTTP, and used only when their digest is the one that was announced."""

import asyncio
import tempfile
from dataclasses import dataclass
from typing import BinaryIO

from afflux.api.meta import Artifact
from afflux.artifacts.errors import ArtifactMissing, DownloadFailed
from afflux.artifacts.store import check_digest
from afflux.net.http import HttpError, HttpSession, Request, RequestLimits, TooLarge, origin

_LIMITS = RequestLimits(total_seconds=300.0, body_bytes=2 << 30)


@dataclass(frozen=True)
class Retry:
    """How often to try, and how long (seconds) to wait between: from ``first``, doubling, up to ``longest``."""

    attempts: int = 10
    first: float = 5.0
    longest: float = 30.0

    def wait(self, attempt: int) -> float:
        """The pause after the n-th attempt, from 1."""
        return float(min(self.longest, self.first * 2 ** (attempt - 1)))


class _Again(Exception):
    """A failure that may pass."""


async def download(artifact: Artifact, http: HttpSession, retry: Retry | None = None) -> BinaryIO:
    """The artifact's file, without a name, at its start, verified.

    A server's trouble (5xx, connection) is retried. Raises ``ArtifactMissing`` for 404, ``ArtifactTorn`` for another
    digest, ``DownloadFailed`` for the rest.
    """
    policy = retry or Retry()
    for attempt in range(1, policy.attempts + 1):
        try:
            return await _once(artifact, http)
        except _Again as problem:
            if attempt == policy.attempts:
                raise DownloadFailed(f"artifact {artifact.path}: {problem} ({attempt} attempts)") from None
            await asyncio.sleep(policy.wait(attempt))
    raise DownloadFailed(f"artifact {artifact.path}: no attempt is allowed")


async def _once(artifact: Artifact, http: HttpSession) -> BinaryIO:
    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        await _receive(artifact, http, file)
        file.seek(0)
        await asyncio.to_thread(check_digest, file, artifact)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


async def _receive(artifact: Artifact, http: HttpSession, file: BinaryIO) -> None:
    request = Request("GET", artifact.url, {"Accept-Encoding": "identity"}, limits=_LIMITS)
    try:
        async with http.stream(request) as stream:
            if stream.status == 404:
                raise ArtifactMissing(f"artifact {artifact.path} is not on {origin(artifact.url)}")
            if stream.status >= 500 or stream.status == 429:
                raise _Again(f"{origin(artifact.url)} answered with HTTP {stream.status}")
            if stream.status != 200:
                raise DownloadFailed(
                    f"artifact {artifact.path}: {origin(artifact.url)} answered with HTTP {stream.status}"
                )
            async for chunk in stream.chunks():
                file.write(chunk)
    except TooLarge as error:
        raise DownloadFailed(f"artifact {artifact.path}: {error}") from None
    except HttpError as error:
        raise _Again(str(error)) from None
