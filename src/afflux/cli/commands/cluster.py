"""``afflux cluster``: the embedded control plane alone, as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from afflux.controlplane.control_plane import Settings


EXAMPLES = """\b
Examples:
  afflux cluster --kubeconfig-out ./kubeconfig                     in memory
  afflux cluster --data-dir ./state --kubeconfig-out ./kubeconfig  survives a restart
"""


@click.command(epilog=EXAMPLES)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where the state is kept; in memory without it.")
@click.option(
    "--kubeconfig-out",
    type=click.Path(path_type=Path),
    required=True,
    help="The kubeconfig is written here when the API answers; it holds a token.",
)
@click.option("--pod-log", "pod_logs", multiple=True, metavar="NS/NAME=FILE", help="The log of a Pod or Deployment.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=0, show_default=True, help="0: any free one; the same as before with --data-dir.")
@click.option(
    "--simulation-delay", default=0.05, show_default=True, help="Seconds that each step of a workload's start takes."
)
@click.option("--no-simulation", is_flag=True, help="Leave workloads alone: somebody else simulates them, or nobody.")
@click.option("--rbac", is_flag=True, help="Enforce roles and bindings.")
@click.option("--exit-with-stdin", is_flag=True, help="Exit when standard input ends, as with its parent.")
def cluster(data_dir: Path | None, kubeconfig_out: Path, pod_logs: tuple[str, ...], **options: object) -> None:
    """Run the embedded Kubernetes control plane alone.

    It serves the Kubernetes API over TLS with a token, and simulates workloads: nothing runs.
    """
    from afflux.controlplane.control_plane import Settings
    from afflux.controlplane.persistence import StateError

    settings = Settings(
        host=str(options["host"]),
        port=int(str(options["port"])),
        pod_logs=dict(_pod_log(text) for text in pod_logs),
        enforce_rbac=bool(options["rbac"]),
        simulation_delay=None if options["no_simulation"] else float(str(options["simulation_delay"])),
    )
    exit_with_stdin = bool(options["exit_with_stdin"])
    try:
        _run(data_dir, settings, kubeconfig_out, exit_with_stdin=exit_with_stdin)
    except StateError as error:
        raise click.ClickException(str(error)) from error


def _pod_log(text: str) -> tuple[str, Path]:
    name, found, path = text.partition("=")
    if not found or name.count("/") != 1 or not path:
        raise click.BadParameter(f'"{text}" must be NAMESPACE/NAME=FILE', param_hint="--pod-log")
    return name, Path(path)


def _run(data_dir: Path | None, settings: Settings, kubeconfig_out: Path, *, exit_with_stdin: bool) -> None:
    import uvloop

    from afflux.cli.console_log import configure_console_log

    configure_console_log()
    uvloop.run(_serve(data_dir, settings, kubeconfig_out, exit_with_stdin=exit_with_stdin))


async def _serve(data_dir: Path | None, settings: Settings, kubeconfig_out: Path, *, exit_with_stdin: bool) -> None:
    from afflux.controlplane.control_plane import ControlPlane
    from afflux.controlplane.kubeconfig import write_private

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_with_stdin:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops this process last
        await _watch_stdin(stop)
    async with ControlPlane(data_dir, settings) as plane:
        write_private(kubeconfig_out, plane.kubeconfig)
        click.echo(f"Kubernetes API at {plane.address}; kubeconfig: {kubeconfig_out}", err=True)
        await stop.wait()


async def _watch_stdin(stop: asyncio.Event) -> None:
    class UntilEnd(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            stop.set()

        def eof_received(self) -> None:
            stop.set()

    with contextlib.suppress(ValueError):
        await asyncio.get_running_loop().connect_read_pipe(UntilEnd, sys.stdin)
