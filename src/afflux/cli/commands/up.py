"""`afflux up`."""

import asyncio
import signal
from pathlib import Path

import click
import orjson

from afflux.app.event_loop import run_loop
from afflux.app.up import UpFailed, UpOptions, UpReady, up_until

EXAMPLES = """\b
Examples:
  afflux up                                  an empty repository to push to
  afflux up ./my-repository                  its committed state, on an embedded cluster
  afflux up ./my-repository --path clusters/staging
  afflux up https://git.example.com/org/repo --branch main
"""


@click.command(epilog=EXAMPLES)
@click.argument("source", required=False)
@click.option("--branch", "-b", help="Branch to follow  [default: the one checked out; main for a URL]")
@click.option("--path", "-p", help="What the root applies  [default: clusters/NAME if there is one, else the root]")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where state is kept")
@click.option("--output", "-o", type=click.Choice(["text", "json"]), default="text", help="What is printed when ready")
@click.option("--log-level", type=click.Choice(["trace", "debug", "info", "error"]), default="info")
def up(
    source: str | None, branch: str | None, path: str | None, data_dir: Path | None, output: str, log_level: str
) -> None:
    """Sync SOURCE (a folder, a Git work tree or a URL) onto an embedded cluster.

    Starts a control plane, a Git server with a copy of SOURCE to push to, and the controllers; runs until Ctrl-C.
    The next `up` on the same SOURCE (or --data-dir) goes on where this one stopped.
    """
    options = UpOptions(source, branch, path, data_dir, log_level)
    try:
        run_loop(_run(options, output))
    except UpFailed as error:
        raise click.ClickException(str(error)) from None


async def _run(options: UpOptions, output: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await up_until(stop, options, _print_json if output == "json" else _print_text)


def _print_json(ready: UpReady) -> None:
    fields = {
        "kubeconfig": str(ready.kubeconfig),
        "cloneURL": ready.clone_url,
        "token": ready.token,
        "branch": ready.branch,
        "path": ready.path,
        "dataDirectory": str(ready.data_dir),
    }
    click.echo(orjson.dumps({name: value for name, value in fields.items() if value}))


def _print_text(ready: UpReady) -> None:
    lines = ["", click.style("afflux is up", bold=True), "", f"  export KUBECONFIG={ready.kubeconfig}"]
    if ready.clone_url:
        lines += [f"  git clone --branch {ready.branch} {ready.clone_url}"]
    else:
        lines += [f"  following {ready.url} ({ready.branch})"]
    lines += ["", "  try:"]
    if ready.clone_url:
        lines += ["    change a file in the clone, commit, git push, and watch:"]
    lines += [
        "    kubectl get gitrepositories,kustomizations -A",
        "    kubectl -n flux-system logs -f deployment/kustomize-controller --since=1m",
        "",
        f"  applying {ready.path}; state is in {ready.data_dir}; Ctrl-C stops everything",
        "",
    ]
    click.echo("\n".join(lines))
