"""The log of a Pod's container, line by line."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

from afflux.kube.client import KubeClient
from afflux.kube.transport import Request
from afflux.objects.identity import GroupVersionKind

POD = GroupVersionKind("", "v1", "Pod")
_SILENCE = 60.0
"""Seconds without a byte after which a log that isn't followed is given up."""


class PodLogOptions(NamedTuple):
    """What is wanted of a log; None and an empty text mean no limit. ``since_time`` is RFC 3339."""

    container: str
    follow: bool = False
    tail_lines: int | None = None
    since_seconds: int | None = None
    since_time: str = ""

    def parameters(self) -> dict[str, str]:
        """As query parameters."""
        chosen = {
            "container": self.container,
            "follow": "true" if self.follow else "",
            "tailLines": "" if self.tail_lines is None else str(self.tail_lines),
            "sinceSeconds": "" if self.since_seconds is None else str(self.since_seconds),
            "sinceTime": self.since_time,
        }
        return {name: value for name, value in chosen.items() if value}


async def pod_log(client: KubeClient, namespace: str, name: str, options: PodLogOptions) -> AsyncGenerator[bytes, None]:
    """The lines of a container's log without their ends; with ``follow`` until the container ends.

    Raises ``ApiError`` in the server's words. Close it with ``contextlib.aclosing``.
    """
    resource = await client.mapper.resource_for(POD)
    request = Request("GET", resource.path(namespace, name, "log"), options.parameters(), accept="*/*")
    silence = None if options.follow else _SILENCE
    rest = b""
    async with client.transport.stream(request, client.impersonation, silence=silence) as chunks:
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
    if rest:
        yield rest
