"""The limit: every write that Afflux made, sent again by a program in Go as fast as a server takes them."""

import asyncio
import os
import subprocess
import time
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


def recorded_writes(audit_log: Path, revisions: list[str]) -> list[list[bytes]]:
    """The writes of each push as the loader reads them, a line each, in the order of their arrival.

    A part begins with the first write that names its revision; what came before the first push is left out.
    """
    parts: list[list[bytes]] = [[] for _ in revisions]
    current = -1
    entries = [orjson.loads(line) for line in audit_log.read_bytes().splitlines() if line]
    for entry in sorted(entries, key=lambda entry: str(entry["requestReceivedTimestamp"])):
        if current + 1 < len(revisions) and revisions[current + 1].encode() in orjson.dumps(entry.get("requestObject")):
            current += 1
        write = _write(entry)
        if current >= 0 and write is not None:
            parts[current].append(orjson.dumps(write))
    return parts


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
