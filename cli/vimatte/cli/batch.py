"""`vim-batch --shots`: one shot after the other, each in a process of its own, so that none takes others with it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from vimatte.cli.talk import report

if TYPE_CHECKING:
    from vimatte.engine.errors import VimatteError
    from vimatte.engine.events import Event
    from vimatte.engine.farm import ListedShot
    from vimatte.engine.job import MatteJob

__all__ = ["run_shots"]

SUMMARY_VERSION = 1

_GRACE = 30.0
"""Seconds that a shot may take to finish what it is writing when the batch is stopped."""


@dataclass(slots=True, kw_only=True)
class _Result:
    """One line of the summary."""

    name: str
    shot: str = ""
    out: str = ""
    state: Literal["done", "failed", "stopped", "waiting"] = "waiting"
    exit_code: int | None = None
    message: str = ""
    """Why it failed, one sentence."""
    frames: int = 0
    written: int = 0
    """Frames made now; the others were whole already."""
    seconds: float = 0.0
    log: str = ""
    files: dict[str, str] = field(default_factory=dict)


def run_shots(source: str, options: Mapping[str, Any], *, summary: Path | None, dry_run: bool, **talk: bool) -> None:
    """Run every shot of a list; raises ShotsError in the end when some failed.

    `talk` are `quiet` and `as_json` of `report`. Beside each shot's layers lies `layers.log`; the summary is written
    anew after every shot.
    """
    from vimatte.engine.errors import Cancelled, ShotsError, VimatteError
    from vimatte.engine.farm import read_shots

    shots = read_shots(source, options=options)
    path = summary or _summary_path(source)
    results = [_Result(name=one.name) for one in shots]
    for one, result in zip(shots, results, strict=True):
        if one.job is not None:
            result.shot, result.out = str(one.job.shot), one.job.out
    for index, (one, result) in enumerate(zip(shots, results, strict=True), start=1):
        _say_shot(one.name, index, len(shots), **talk)
        started = time.monotonic()
        try:
            report(_run(one, result, dry_run=dry_run), **talk)
            result.state, result.exit_code = "done", 0
        except VimatteError as error:
            result.state, result.exit_code, result.message = "failed", error.exit_code, str(error)
            _say_error(one.name, error, as_json=talk["as_json"])
        except KeyboardInterrupt:
            result.state, result.exit_code = "stopped", Cancelled.exit_code
            raise
        finally:
            result.seconds = round(time.monotonic() - started, 1)
            _save(path, results, source)
    failed = [result.name for result in results if result.state == "failed"]
    _say_end(path, results, **talk)
    if failed:
        raise ShotsError(
            f"{len(failed)} of {len(shots)} shots failed: {', '.join(failed)}; {path} says why. Mend them and run the "
            "list again with --resume: what is done stays."
        )


def _run(one: ListedShot, result: _Result, *, dry_run: bool) -> Generator[Event]:
    """Yield the events of a shot's process while they come; raise its error."""
    from vimatte.engine.errors import MediaError
    from vimatte.engine.events import JobDone, event_from
    from vimatte.engine.job_file import save_job
    from vimatte.ocio.output_pattern import OutputPattern

    if one.job is None:
        assert one.error is not None
        raise one.error
    log = OutputPattern.parse(one.job.out).beside(".log")
    with tempfile.TemporaryDirectory(prefix="vimatte-") as scratch:
        job = Path(scratch) / "job.json"
        save_job(_absolute(one.job), job)
        command = [
            sys.executable,
            "-c",
            "from vimatte.cli.entry import vim_batch; vim_batch()",
            "--job",
            str(job),
            "--json",
        ]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            writing = log.open("w", encoding="utf-8")
        except OSError as error:
            raise MediaError(f"The log {log} cannot be written: {error.strerror}; choose another out.") from error
        result.log = str(log)
        with (
            writing,
            closing(_events([*command, *(["--dry-run"] if dry_run else [])], writing)) as answers,
        ):
            for answer in answers:
                event = event_from(answer)
                if isinstance(event, JobDone):
                    result.frames, result.written, result.files = event.frames, event.written, dict(event.files)
                yield event


def _absolute(job: MatteJob) -> MatteJob:
    """The same job wherever its file lies."""
    from vimatte.engine.job_file import PATH_KEYS

    paths = {key: value.absolute() for key in PATH_KEYS if (value := getattr(job, key)) is not None}
    return replace(job, **paths, out=str(Path(job.out).absolute()))


def _events(command: list[str], log: Any) -> Generator[dict[str, Any]]:
    """The lines that a command writes, but for errors, which are raised; all of them go to the log as well."""
    from vimatte.engine.errors import VimatteError

    errors = {kind.exit_code: kind for kind in VimatteError.__subclasses__()}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            try:
                answer = json.loads(line)
            except ValueError:
                # A library that prints; the log keeps it.
                continue
            if answer["event"] == "error":
                process.wait()
                raise errors.get(answer["exit_code"], VimatteError)(answer["message"])
            answer.pop("at", None)
            yield answer
        if process.wait():
            raise VimatteError(_sentence(process.returncode, log.name))
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _sentence(code: int, log: str) -> str:
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code} and no reason"
    return f"The shot's process {how} (not enough memory?); every frame that was written is whole; {log} says more."


def _summary_path(source: str) -> Path:
    path = Path(source)
    return path.with_suffix(".summary.json") if path.suffix.lower() == ".toml" else Path("shots.summary.json")


def _save(path: Path, results: list[_Result], source: str) -> None:
    from vimatte.ocio.whole_file import whole_file

    counts = {state: sum(r.state == state for r in results) for state in ("done", "failed", "stopped", "waiting")}
    shots = [asdict(result) for result in results]
    table = {"format": "vimatte.shots", "version": SUMMARY_VERSION, "list": source, **counts, "shots": shots}
    with whole_file(path, what="the summary of the shots") as temp:
        temp.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _say_shot(name: str, index: int, total: int, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"event": "shot", "name": name, "index": index, "total": total}))
    elif not quiet:
        click.echo(f"\n{name}  (shot {index} of {total})", err=True)


def _say_error(name: str, error: VimatteError, *, as_json: bool) -> None:
    if as_json:
        line = {"event": "error", "name": name, "exit_code": error.exit_code, "message": str(error)}
        click.echo(json.dumps(line))
    else:
        click.echo(f"{name}: error: {error}", err=True)


def _say_end(path: Path, results: list[_Result], *, quiet: bool, as_json: bool) -> None:
    done = sum(result.state == "done" for result in results)
    if as_json:
        click.echo(json.dumps({"event": "shots", "done": done, "total": len(results), "summary": str(path)}))
    elif not quiet:
        click.echo(f"\n{done} of {len(results)} shots done; summary: {path}", err=True)
