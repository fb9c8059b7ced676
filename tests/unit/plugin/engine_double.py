"""Stands in for `vimatte serve` in tests of the bridge: standard library, quick, told how to behave by its argument.

argv[1]: well | crash | deaf | noisy | stray | newer
"""

from __future__ import annotations

import json
import os
import sys
import time


def say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> None:
    manner = sys.argv[1]
    say(id=None, event="hello", version="0", protocol=2 if manner == "newer" else 1)
    if manner == "noisy":
        sys.stderr.write("a word for the log\n" * 5000)
    if manner == "stray":
        sys.stdout.write("not an event\n")
        sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        if manner == "crash":
            sys.stderr.write("RuntimeError: the roof fell in\n")
            sys.stderr.flush()
            os.abort()
        if manner == "deaf":
            time.sleep(60)
        if request["request"] == "quit":
            break
        if request["request"] == "cancel":
            say(id=request["of"], event="cancelled")
            say(id=request["id"], event="answer", known=True)
        elif request["request"] == "run":
            say(id=request["id"], event="phase", phase="matte", total=4)
            say(id=request["id"], event="progress", phase="matte", done=1, total=4)
            say(id=request["id"], event="frame", frame=1001, path="x", kept=False)
            if not request.get("hang"):
                say(id=request["id"], event="done", frames=1, written=1, files={})
        else:
            say(id=request["id"], event="answer", heard=request, pythonhome=os.environ.get("PYTHONHOME"))


main()
