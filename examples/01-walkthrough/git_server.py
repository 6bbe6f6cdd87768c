"""Stands for your Git server in the walk-through on a real cluster: one repository over HTTP, with a token.

    python git_server.py FOLDER REPOSITORY.git

FOLDER's content becomes the repository's first commit. Prints where it is, as JSON, and serves until a signal.
"""

import asyncio
import json
import secrets
import signal
import sys
from pathlib import Path

from afflux.app.git_server import GitServer
from afflux.app.source_repository import prepare_source


async def serve(folder: str, repository: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await prepare_source(folder, None, repository)
    token = secrets.token_urlsafe(24)
    server = GitServer(repository, token)
    await server.start()
    print(json.dumps({"url": server.url, "cloneURL": server.clone_url, "token": token}), flush=True)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
