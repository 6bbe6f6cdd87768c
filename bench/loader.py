"""The limit: every write that Afflux made, sent again by a program in Go as fast as a server takes them."""

import asyncio
import os
import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

REPOSITORY = Path(__file__).parents[1]
_CONTENT_TYPES = {"apply": "application/apply-patch+yaml", "patch": "application/merge-patch+json"}


def build_loader() -> Path:
    """The loader, built where it isn't yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afflux/bench"
    cache.mkdir(parents=True, exist_ok=True)
    command = ["go", "build", "-trimpath", "-buildvcs=false", "-o", str(cache / "loader"), "./loader"]
    subprocess.run(command, cwd=REPOSITORY / "e2e", check=True)
    return cache / "loader"


def recorded_writes(audit_log: Path, phases: list[tuple[str, str]]) -> list[list[bytes]]:
    """The writes of each push (its revision, and when the last Kustomization was Ready) as the loader reads them, a
    line each, in the order of their arrival: from the first write that names the revision until that moment."""
    entries = [orjson.loads(line) for line in audit_log.read_bytes().splitlines() if line]
    waiting = sorted(entries, key=_received)
    parts: list[list[bytes]] = []
    for revision, ended in phases:
        while waiting and revision.encode() not in orjson.dumps(waiting[0].get("requestObject")):
            waiting.pop(0)
        part = [one for one in waiting if _received(one) <= datetime.fromisoformat(ended)]
        waiting = waiting[len(part) :]
        parts.append([orjson.dumps(write) for one in part if (write := _write(one)) is not None])
    return parts


def _received(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["requestReceivedTimestamp"])


def _write(entry: dict[str, Any]) -> dict[str, Any] | None:
    """A write that succeeded and wasn't a dry run; resource versions and uids are those of another server."""
    address = urlsplit(entry["requestURI"])
    if "dryRun" in parse_qs(address.query) or entry["responseStatus"].get("code", 0) >= 300:
        return None
    body = entry.get("requestObject") or {}
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in ("resourceVersion", "uid")}
    if metadata:
        body = {**body, "metadata": metadata}
    else:
        body.pop("metadata", None)
    method = {"create": "POST", "update": "PUT", "delete": "DELETE", "patch": "PATCH"}[entry["verb"]]
    applies = method == "PATCH" and "force=" in address.query
    content_type = _CONTENT_TYPES["apply" if applies else "patch"] if method == "PATCH" else "application/json"
    return {"method": method, "uri": entry["requestURI"], "contentType": content_type, "body": body}


async def replay(loader: Path, kubeconfig: Path, work: Path, writes: list[bytes]) -> float:
    """Seconds that the server takes for the writes. Those of one object keep their order."""
    recording = work / "writes.jsonl"
    recording.write_bytes(b"\n".join(writes) + b"\n")
    start = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        str(loader), "-kubeconfig", str(kubeconfig), "-writes", str(recording), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    wall = time.monotonic() - start
    answer = orjson.loads(output)
    if process.returncode != 0 or answer["failed"]:
        raise SystemExit(f"the loader's writes failed: {answer}")
    return float(answer["seconds"]) if answer["seconds"] else wall
