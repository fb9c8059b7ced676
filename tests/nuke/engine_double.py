"""Stands in for `vimatte serve`: finds anna and bruno in every shot and says that it wrote the frames asked for.

argv[1]: file that every request is written to, one JSON object a line; argv[2]: well | deaf | crash | slow | fails.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PEOPLE = {1: "anna", 2: "bruno"}


def say(**event: Any) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def people() -> list[dict[str, Any]]:
    return [{"id": i, "name": n} for i, n in sorted(PEOPLE.items())]


def edit(edits: list[Any]) -> None:
    for kind, *what in edits:
        if kind == "rename":
            PEOPLE.update({int(i): name for i, name in what[0].items()})
        for gone in what if kind == "drop" else what[1:] if kind == "merge" else ():
            PEOPLE.pop(gone)


def run(name: str, job: dict[str, Any], manner: str) -> None:
    numbers = [0]
    if "frames" in job:
        runs = [part.partition("-") for part in job["frames"].split(",")]
        numbers = [n for a, _, b in runs for n in range(int(a), int(b or a) + 1)]
    say(id=name, event="phase", phase="matte", total=len(numbers))
    say(id=name, event="warning", message="narrow it with --frames or buy memory")
    for done, number in enumerate(numbers, 1):
        say(id=name, event="frame", frame=number, path="x", kept=False)
        say(id=name, event="progress", phase="matte", done=done, total=len(numbers))
        if manner in ("slow", "deaf"):
            return
    say(id=name, event="done", frames=len(numbers), written=len(numbers), seconds=1, files={})


def main() -> None:
    log, manner = Path(sys.argv[1]), sys.argv[2]
    say(id=None, event="hello", version="0", protocol=1)
    for line in sys.stdin:
        request = json.loads(line)
        with log.open("a", encoding="utf-8") as out:
            out.write(line)
        name, kind = request["id"], request["request"]
        if kind == "track":
            folder = Path(request["folder"])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "tracks.json").write_text("{}", encoding="utf-8")
            say(id=name, event="done", frames=1, written=0, seconds=1, files={})
        elif kind in ("people", "tracks-edit"):
            edit(request.get("edits", []))
            say(id=name, event="answer", people=people())
        elif kind == "run" and manner == "crash":
            os.abort()
        elif kind == "run" and manner == "fails":
            say(id=name, event="error", exit_code=3, message="No room is left; choose another --out.")
        elif kind == "run":
            run(name, request["job"], manner)
            if manner == "deaf":
                time.sleep(60)
        elif kind == "cancel":
            say(id=request["of"], event="cancelled")
            say(id=name, event="answer", known=True)


main()
