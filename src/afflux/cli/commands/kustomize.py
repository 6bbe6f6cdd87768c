"""``afflux kustomize build DIR``: what ``kustomize build`` prints, without running anything."""

import os
import sys
from pathlib import Path
from typing import Final

import click

from afflux.kustomize import BuildOptions, DiskFileSystem, KustomizeError, Reorder, Resource, ResourceMap, build
from afflux.kustomize.resource_map import to_text

RESTRICTORS: Final = {"LoadRestrictionsRootOnly": True, "LoadRestrictionsNone": False}

REFUSED: Final = {
    "--enable-alpha-plugins": "plugins and functions are programs, and a build never runs programs",
    "--enable-exec": "executable functions are programs, and a build never runs programs",
    "--enable-star": "Starlark functions are programs, and a build never runs programs",
    "--enable-helm": "it would run Helm; use a HelmRelease, or commit the chart's output",
    "--network": "it is for containers, which a build never runs",
}
"""kustomize's flags that would run something, and why they are refused."""


def _refuse(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        flag = parameter.opts[0]
        raise click.UsageError(f"{flag} is refused: {REFUSED[flag]}", context)


@click.group()
def kustomize() -> None:
    """Build kustomizations exactly as kustomize does."""


EXAMPLES = """\b
Examples:
  afflux kustomize build overlays/production
  afflux kustomize build . --reorder none -o manifests.yaml
"""


@kustomize.command("build", epilog=EXAMPLES)
@click.argument("directory", default=".", metavar="DIR")
@click.option("-o", "--output", metavar="FILE", help="Write there instead of to standard output (DIR: a file each).")
@click.option(
    "--load-restrictor",
    type=click.Choice(list(RESTRICTORS)),
    default="LoadRestrictionsRootOnly",
    show_default=True,
    help="Whether files must lie in or below the kustomization that names them.",
)
@click.option(
    "--reorder",
    type=click.Choice([each.value for each in Reorder]),
    default=Reorder.LEGACY.value,
    show_default=True,
    help="The order of the output, where the kustomization doesn't say.",
)
@click.option("--enable-managedby-label", is_flag=True, help="Label everything app.kubernetes.io/managed-by.")
def build_command(
    directory: str, output: str | None, load_restrictor: str, reorder: str, enable_managedby_label: bool
) -> None:
    """Print what the kustomization in DIR stands for."""
    options = BuildOptions(RESTRICTORS[load_restrictor], Reorder(reorder), enable_managedby_label)
    try:
        resources = build(DiskFileSystem("/"), os.path.abspath(directory), options)
    except KustomizeError as error:
        raise click.ClickException(str(error)) from None
    for warning in resources.warnings:
        click.echo(warning, err=True)
    if output is None:
        sys.stdout.write(resources.to_yaml())
    elif Path(output).is_dir():
        for name, text in _files(resources).items():
            Path(output, name).write_text(text, encoding="utf-8")
    else:
        Path(output).write_text(resources.to_yaml(), encoding="utf-8")


def _files(resources: ResourceMap) -> dict[str, str]:
    """A file for every resource; names start with the namespace where there are several."""
    several = len({each.id.effective_namespace for each in resources if not each.is_cluster_scoped}) > 1
    return {_file_name(each, several): to_text(each) for each in resources}


def _file_name(resource: Resource, with_namespace: bool) -> str:
    current = resource.id
    kind = "_".join(part for part in current.gvk if part)
    namespace = f"{current.effective_namespace}_" if with_namespace and not resource.is_cluster_scoped else ""
    return f"{namespace}{kind}_{current.name}.yaml".lower().replace("/", "_")


for _flag in REFUSED:
    build_command = click.option(_flag, is_flag=True, hidden=True, expose_value=False, callback=_refuse)(build_command)
