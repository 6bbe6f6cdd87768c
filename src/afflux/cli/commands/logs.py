"""``afflux logs``."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import click

from afflux.app.controller_logs import InCluster, LogFilter, LogsFailed, LogWindow, parsed, show_logs, text_of
from afflux.app.event_loop import run_loop
from afflux.app.settings import SettingsError, seconds_of

EXAMPLES = """\b
Examples:
  afflux logs --all-namespaces --level error
  afflux logs -f --kind Kustomization --name apps
  afflux logs --data-dir ./state --since 10m -A      of an `afflux run` on this machine
"""


@click.command(epilog=EXAMPLES)
@click.option("--level", type=click.Choice(["debug", "info", "error"]), help="Lines of this level")
@click.option("--kind", default="", help="Lines about objects of this kind, such as GitRepository")
@click.option("--name", default="", help="Lines about objects of this name")
@click.option(
    "--namespace",
    "-n",
    default="flux-system",
    envvar="FLUX_SYSTEM_NAMESPACE",
    show_default=True,
    help="Lines about objects of this namespace",
)
@click.option("--all-namespaces", "-A", is_flag=True, help="Lines about everything, controllers included")
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C")
@click.option("--tail", type=click.IntRange(-1), default=-1, help="Read only so many last lines of each log")
@click.option("--since", help="Only lines newer than a duration, such as 5s, 2m or 3h")
@click.option("--since-time", help="Only lines since a moment (RFC 3339)")
@click.option(
    "--flux-namespace",
    default="flux-system",
    envvar="FLUX_SYSTEM_NAMESPACE",
    show_default=True,
    help="Where the controllers' Pods are",
)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Of an `afflux run` on this machine")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="json: the lines as they are")
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="As kubectl has it")
@click.option("--context", help="Context of the kubeconfig")
def logs(**flags: object) -> None:
    """Show what the controllers logged: about the objects of a namespace, or about everything (-A).

    Reads the logs of the controllers' Pods; with --data-dir those that an `afflux run` or `afflux up` writes.
    """
    try:
        source, window = _source(flags), _window(flags)
        namespace = "" if flags["all_namespaces"] else str(flags["namespace"])
        wanted = LogFilter(str(flags["level"] or ""), str(flags["kind"]), str(flags["name"]), namespace)
        run_loop(_run(source, window, wanted, raw=flags["output"] == "json"))
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    except LogsFailed as error:
        raise click.ClickException(str(error)) from None


def _source(flags: dict[str, object]) -> InCluster | Path:
    data_dir, kubeconfig, context = flags["data_dir"], flags["kubeconfig"], flags["context"]
    if isinstance(data_dir, Path):
        if kubeconfig or context:
            raise SettingsError("--data-dir reads files of this machine; --kubeconfig and --context are for a cluster")
        return data_dir
    return InCluster(
        str(flags["flux_namespace"]),
        kubeconfig if isinstance(kubeconfig, Path) else None,
        str(context) if context else None,
    )


def _window(flags: dict[str, object]) -> LogWindow:
    since, moment, tail = flags["since"], flags["since_time"], int(str(flags["tail"]))
    if since is not None and moment is not None:
        raise SettingsError("at most one of --since and --since-time may be given")
    return LogWindow(
        follow=bool(flags["follow"]),
        tail=tail if tail >= 0 else None,
        since_seconds=None if since is None else seconds_of("--since", str(since)),
        since_time=None if moment is None else _moment(str(moment)),
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--since-time: {text!r} is not RFC 3339, such as 2026-11-28T09:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _run(source: InCluster | Path, window: LogWindow, wanted: LogFilter, *, raw: bool) -> None:
    def show(line: bytes) -> None:
        fields = parsed(line)
        if fields is not None and wanted.accepts(fields):
            click.echo(line if raw else text_of(fields))

    reading = asyncio.create_task(show_logs(source, window, show))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, reading.cancel)
    try:
        await reading
    except asyncio.CancelledError:
        pass
