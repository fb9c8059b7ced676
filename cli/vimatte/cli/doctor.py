"""`vimatte doctor`: what this machine has, and what a shot is."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from vimatte.cli import options
from vimatte.cli.talk import guarded

__all__ = ["doctor"]

_PACKAGES = ("vimatte", "torch", "numpy", "OpenImageIO", "opencolorio", "av", "opencv-python-headless")


@click.command(epilog=options.EXIT_CODES)
@click.argument("shot", type=click.Path(path_type=Path), required=False)
@options.reading
def doctor(
    shot: Path | None, frames: str | None, start_frame: int, missing: str, in_space: str | None, ocio: str | None
) -> None:
    """Say what this machine can do; with SHOT, also what the shot is and how its colours are taken."""

    def action() -> None:
        console = Console(highlight=False, soft_wrap=True)
        _print(console, "This machine", about_machine())
        if shot is not None:
            _print(console, str(shot), about_shot(shot, frames, start_frame, missing, in_space, ocio))

    guarded(action)


def about_machine() -> list[tuple[str, str]]:
    """What this machine can do, as (what, how) pairs."""
    from vimatte.engine.device import choose_device, describe_device
    from vimatte.engine.errors import VimatteError
    from vimatte.engine.registry import MATTING, VIS
    from vimatte.engine.vis.backend import UsesCheckpoint, VisOptions
    from vimatte.ocio.config import load_config

    lines = [("python", platform.python_version()), ("packages", ", ".join(f"{p} {version(p)}" for p in _PACKAGES))]
    device = choose_device("auto")
    lines.append(("device", describe_device(device)))
    try:
        choice = load_config(None)
        lines.append(("ocio config", f"{choice.name} ({choice.origin})"))
    except VimatteError as error:
        lines.append(("ocio config", f"BROKEN: {error}"))
    for kind, table, arguments in (("people finder", VIS, {}), ("matting", MATTING, {"device": device})):
        for name in table.names():
            try:
                opened = table.load(name)(**arguments)
                if isinstance(opened, UsesCheckpoint):
                    opened.checkpoint(VisOptions())
                lines.append((f"{kind} {name}", "ready"))
            except VimatteError as error:
                lines.append((f"{kind} {name}", f"not ready: {error}"))
    return lines


def about_shot(
    shot: Path, frames: str | None, start_frame: int, missing: str, in_space: str | None, ocio: str | None
) -> list[tuple[str, str]]:
    """What a shot is and how its colours are taken, as (what, how) pairs."""
    from vimatte.engine.pipeline import open_clip, shot_warnings

    with open_clip(
        shot, frames=frames, start_frame=start_frame, missing="skip", in_space=in_space, ocio=ocio
    ) as opened:
        info = opened.info
        lines = [
            ("kind", f"{info.kind}, {info.codec}"),
            ("picture", f"{info.width}x{info.height}, pixel aspect {info.pixel_aspect:g}, alpha {info.alpha_state}"),
            ("frames", f"{info.frames} ({len(info.frames)}), {float(info.fps):g} frames a second"),
            ("timecode", str(info.timecode or "none")),
            ("colour", f"{opened.decision.space}: {opened.decision.reason}"),
            ("ocio config", f"{opened.config.name} ({opened.config.origin})"),
            ("R,G,B in layers", opened.working.space + (", untouched" if opened.working.identity else ", converted")),
        ]
        if len(info.missing):
            lines.append(("missing", str(info.missing)))
        lines += [("warning", w) for w in shot_warnings(opened)]
    return lines


def _print(console: Console, title: str, lines: list[tuple[str, str]]) -> None:
    width = max(len(what) for what, _ in lines)
    console.print(f"[bold]{title}[/bold]")
    for what, how in lines:
        console.print(f"  [cyan]{what:<{width}}[/cyan]  {escape(how)}")
