"""The ``afflux`` command.

Exit codes: 0 done; 1 the work failed; 2 the command line is wrong; 130 interrupted.
"""

import importlib
import sys
from collections.abc import Mapping

import click

import afflux

COMMANDS: Mapping[str, str] = {
    "up": "Sync a repository onto an embedded cluster: one command, in the foreground.",
    "run": "Run the controllers against the cluster of a kubeconfig.",
    "logs": "Show what the controllers logged, as flux logs does.",
    "cluster": "Run the embedded Kubernetes control plane alone.",
    "simulate": "Stand in for the nodes of a test cluster: Pods become ready, nothing runs.",
    "kustomize": "Build kustomizations exactly as kustomize does.",
}
"""Every verb, and its line in the help. The module ``commands.<verb>`` holds a click command of the same name."""


class _LazyGroup(click.Group):
    """Imports a verb's module only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"afflux.cli.commands.{cmd_name}")
        command = getattr(module, cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start here:  afflux up ./my-repository",
)
@click.version_option(afflux.__version__, prog_name="afflux")
def afflux_command() -> None:
    """Afflux keeps Kubernetes clusters in step with Git, and speaks Flux's APIs."""


def main() -> None:
    """Entry point of the console script."""
    try:
        afflux_command.main(prog_name="afflux", standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
