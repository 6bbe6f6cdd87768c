"""`afflux run`."""

import asyncio
import os
import signal
from pathlib import Path

import click

from afflux.app.data_directory import log_files
from afflux.app.event_loop import run_loop
from afflux.app.serve import ServeFailed, serve_until
from afflux.app.settings import CONTROLLERS, Settings, SettingsError, controllers_of, election_of, seconds_of

EXAMPLES = """\b
Examples:
  afflux run --data-dir /data
  afflux run --kubeconfig ~/.kube/config --context staging --data-dir ./state
  afflux run --controllers source --data-dir /data      beside Flux's other controllers
"""


@click.command(epilog=EXAMPLES)
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="As kubectl has it")
@click.option("--context", help="Context of the kubeconfig")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), required=True, help="Artifacts, mirrors")
@click.option("--controllers", default=",".join(CONTROLLERS), show_default=True, help="Which ones this process runs")
@click.option("--storage-addr", default="127.0.0.1:9090", show_default=True, help="Where artifacts are served")
@click.option("--storage-adv-addr", help="Host that artifacts' URLs name  [default: the storage address]")
@click.option("--metrics-addr", default="127.0.0.1:8080", show_default=True, help="/metrics")
@click.option("--health-addr", default="127.0.0.1:9440", show_default=True, help="/healthz, /readyz")
@click.option("--concurrent", type=click.IntRange(1, 1000), default=16, show_default=True, help="Runs at once, a kind")
@click.option("--requeue-dependency", default="30s", show_default=True, help="Longest wait for a missing source")
@click.option("--interval-jitter-percentage", type=click.IntRange(0, 99), default=5, show_default=True)
@click.option("--artifact-retention-ttl", default="60s", show_default=True)
@click.option("--artifact-retention-records", type=click.IntRange(1), default=2, show_default=True)
@click.option("--no-cross-namespace-refs", is_flag=True, help="Refuse references to other namespaces")
@click.option("--field-validation", type=click.Choice(["Warn", "Strict"]), default="Warn", show_default=True)
@click.option(
    "--enable-leader-election",
    type=bool,
    is_flag=False,
    flag_value="true",
    default=True,
    show_default=True,
    help="Stand by while another one leads",
)
@click.option("--leader-election-lease-duration", default="35s", show_default=True)
@click.option("--leader-election-renew-deadline", default="30s", show_default=True)
@click.option("--leader-election-retry-period", default="5s", show_default=True)
@click.option(
    "--leader-election-release-on-cancel", type=bool, is_flag=False, flag_value="true", default=True, show_default=True
)
@click.option("--take-over", is_flag=True, help="Take the Leases of Flux's controllers, though they are at work")
@click.option("--log-level", type=click.Choice(["trace", "debug", "info", "error"]), default="info", show_default=True)
@click.option("--log-encoding", type=click.Choice(["json", "console"]), default="json", show_default=True)
def run(**flags: object) -> None:
    """Run the controllers against the cluster of a kubeconfig, until a signal.

    Logs are Flux's JSON lines on standard error, and in the data directory, where `afflux logs --data-dir` reads them.
    """
    try:
        settings = _settings(flags)
        run_loop(_run(settings))
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    except ServeFailed as error:
        raise click.ClickException(str(error)) from None


def _settings(flags: dict[str, object]) -> Settings:
    """The flags as settings; names of the two differ only where a unit is parsed."""
    ttl = seconds_of("--artifact-retention-ttl", str(flags.pop("artifact_retention_ttl")))
    requeue = seconds_of("--requeue-dependency", str(flags.pop("requeue_dependency")))
    controllers = controllers_of(str(flags.pop("controllers")))
    enabled = bool(flags.pop("enable_leader_election"))
    times = [str(flags.pop(f"leader_election_{name}")) for name in ("lease_duration", "renew_deadline", "retry_period")]
    strict = flags.pop("field_validation") == "Strict"
    renamed = {
        "storage_address": flags.pop("storage_addr"),
        "advertised_address": flags.pop("storage_adv_addr"),
        "release_on_cancel": flags.pop("leader_election_release_on_cancel"),
        "metrics_address": flags.pop("metrics_addr"),
        "health_address": flags.pop("health_addr"),
        "namespace": os.environ.get("RUNTIME_NAMESPACE", "flux-system"),
    }
    return Settings(
        artifact_retention_ttl=ttl,
        requeue_dependency=requeue,
        controllers=controllers,
        field_validation_strict=strict,
        log_files=log_files(Path(str(flags["data_dir"])), controllers),
        election=election_of(enabled, *times),
        **renamed,  # type: ignore[arg-type]
        **flags,  # type: ignore[arg-type]
    )


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve_until(stop, settings)
