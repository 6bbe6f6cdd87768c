"""Worker processes: what they do, and what they may not."""

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pygit2
import pytest

from afflux import offload
from afflux.offload.limits import Limits
from waiting import eventually


def double(number: int) -> int:
    return number * 2


def worker_process() -> int:
    return os.getpid()


def fail(text: str) -> None:
    raise ValueError(text)


class Unpicklable(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def fail_oddly() -> None:
    raise Unpicklable("odd", "error")


def die() -> None:
    os._exit(7)


def spin() -> None:
    while True:
        pass


def eat() -> int:
    return len(bytearray(8 << 30))


def connect() -> None:
    socket.create_connection(("127.0.0.1", 9))


def spawn() -> None:
    subprocess.run(["true"])


async def test_a_function_runs_in_another_process_while_a_pool_is_open() -> None:
    assert await offload.run(worker_process) == os.getpid()
    async with offload.WorkerPool(1):
        assert await offload.run(double, 21) == 42
        assert await offload.run(worker_process) != os.getpid()
    assert await offload.run(worker_process) == os.getpid()


async def test_an_error_of_the_function_is_raised_as_it_was() -> None:
    async with offload.WorkerPool(1):
        with pytest.raises(ValueError, match="no such port"):
            await offload.run(fail, "no such port")
        with pytest.raises(RuntimeError, match="Unpicklable: odd"):
            await offload.run(fail_oddly)


async def test_a_worker_that_dies_is_replaced_alone() -> None:
    async with offload.WorkerPool(1):
        before = await offload.run(worker_process)
        with pytest.raises(offload.TaskCrashed, match="exit code 7"):
            await offload.run(die)
        assert await offload.run(worker_process) != before


async def test_a_task_that_takes_too_long_is_ended() -> None:
    async with offload.WorkerPool(1, Limits(wall_seconds=0.5)):
        with pytest.raises(offload.TaskTimedOut, match="spin"):
            await offload.run(spin)
        assert await offload.run(double, 1) == 2


async def test_a_task_that_needs_too_much_memory_fails_alone() -> None:
    async with offload.WorkerPool(1, Limits(memory_bytes=2 << 30)):
        with pytest.raises(MemoryError):
            await offload.run(eat)
        assert await offload.run(double, 1) == 2


@pytest.mark.parametrize("attempt", [connect, spawn])
async def test_a_worker_opens_no_connection_and_starts_no_process(attempt: object) -> None:
    async with offload.WorkerPool(1):
        with pytest.raises(PermissionError, match="may not"):
            await offload.run(attempt)  # type: ignore[arg-type]


def connect_natively(directory: str) -> None:
    pygit2.clone_repository("http://127.0.0.1:9/repository", directory)


@pytest.mark.skipif(platform.system() != "Linux", reason="the filter of system calls is Linux's")
async def test_native_code_in_a_worker_opens_no_connection(tmp_path: Path) -> None:
    async with offload.WorkerPool(1):
        with pytest.raises(RuntimeError, match="Operation not permitted"):
            await offload.run(connect_natively, str(tmp_path / "clone"))


def start_pool_and_print_worker() -> str:
    return (
        "import asyncio, time\n"
        "from afflux import offload\n"
        "from test_pool import worker_process\n"
        "async def main():\n"
        "    async with offload.WorkerPool(1):\n"
        "        print(await offload.run(worker_process), flush=True)\n"
        "        time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )


async def test_workers_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(start_pool_and_print_worker())
    path = f"{Path(__file__).parent}:{Path(__file__).parents[1]}"
    environment = {**os.environ, "PYTHONPATH": path}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()

    async def gone() -> bool:
        status = Path(f"/proc/{worker}/stat")
        return not status.exists() or status.read_text().split(") ")[1][0] == "Z"

    assert await eventually(gone, timeout=15)
