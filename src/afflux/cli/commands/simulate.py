"""`afflux simulate`."""

import asyncio
import signal
from pathlib import Path

import click

from afflux.app.event_loop import run_loop
from afflux.app.simulation_client import SimulationFailed, SimulationSettings, simulate_until
from afflux.cli.console_log import configure_console_log

EXAMPLES = """\b
Examples:
  afflux simulate --kubeconfig ./kubeconfig                 beside kube-controller-manager, in place of nodes
  afflux simulate --kubeconfig ./kubeconfig --controllers   an API server with nothing else (envtest)
  afflux simulate --kubeconfig ./kubeconfig --delay 2       Pods take two seconds to start
"""


@click.command(epilog=EXAMPLES)
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="As kubectl has it")
@click.option("--context", help="Context of the kubeconfig")
@click.option("--node", default="node-1", show_default=True, help="Name of the node that Pods are put on")
@click.option("--delay", type=click.FloatRange(0), default=0.05, show_default=True, help="Seconds a Pod takes to start")
@click.option("--controllers", is_flag=True, help="Do the work of kube-controller-manager, too")
def simulate(kubeconfig: Path | None, context: str | None, node: str, delay: float, controllers: bool) -> None:
    """Stand in for the nodes of a test cluster: Pods become ready, and nothing runs.

    For API servers without kubelets. Pods that have no node are bound to the simulated one, whoever they belong to.
    """
    configure_console_log()
    try:
        run_loop(_run(SimulationSettings(kubeconfig, context, node, delay, controllers)))
    except SimulationFailed as error:
        raise click.ClickException(str(error)) from None


async def _run(settings: SimulationSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await simulate_until(stop, settings)
