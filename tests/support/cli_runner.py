"""Running the two commands inside the test process, as a shell would see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner


@dataclass(frozen=True, slots=True)
class Run:
    code: int
    out: str
    err: str


def vim_batch(*arguments: str | Path) -> Run:
    from vimatte.cli.run import main

    return _run(main, arguments)


def vimatte(*arguments: str | Path) -> Run:
    from vimatte.cli.main import main

    return _run(main, arguments)


def _run(command: object, arguments: tuple[str | Path, ...]) -> Run:
    result = CliRunner().invoke(command, [str(a) for a in arguments])  # type: ignore[arg-type]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Run(result.exit_code, result.stdout, result.stderr)
