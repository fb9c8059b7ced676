"""One shell script that runs any step of the job: what OpenCue, Tractor, Deadline 10 and Slurm call."""

from __future__ import annotations

import shlex
from pathlib import Path

from vimatte.cli.farm.steps import CHUNK, FarmJob, substituted
from vimatte.ocio.whole_file import whole_file

__all__ = ["shell_script", "write_shell"]


def shell_script(farm: FarmJob) -> str:
    """Give the text of `job.sh`. It holds no path of its own: schedulers that copy it may."""
    values = {one.name: one.value for one in farm.parameters}

    def line(arguments: tuple[str, ...]) -> str:
        words = [
            '"$frames"' if argument == CHUNK else shlex.quote(substituted(argument, values))
            for argument in (*farm.program, *arguments)
        ]
        return " ".join(words)

    cases = "\n".join(f"    {index}) echo '{frames}' ;;" for index, frames in enumerate(farm.chunks, start=1))
    variables = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in farm.environment.items())
    return f"""#!/bin/sh
# {" ".join(farm.name.split())}: frames {farm.frames} in {len(farm.chunks)} chunks.
# Any of these may run again at any time, and ends in the same files:
#   job.sh track          find and follow people in the whole shot; first, once
#   job.sh chunk 3        matte the frames of chunk 3, counted from 1; after track, on any machine
#   job.sh matte 1001-9   matte these frames
#   job.sh verify         check every frame, write the manifest and the contact sheet; last, once
#   job.sh chunks         print how many chunks there are
#   job.sh all            everything, here, one after the other
set -eu
{variables}
frames_of() {{
  case "$1" in
{cases}
    *) echo "There is no chunk $1; there are 1 to {len(farm.chunks)}." >&2; exit 2 ;;
  esac
}}

track() {{
  {line(farm.track)}
}}

matte() {{
  frames=$1
  {line(farm.matte)}
}}

verify() {{
  {line(farm.verify)}
}}

case "${{1:-}}" in
  track) track ;;
  chunk) frames=$(frames_of "${{2:?which chunk?}}"); matte "$frames" ;;
  matte) matte "${{2:?which frames?}}" ;;
  verify) verify ;;
  chunks) echo {len(farm.chunks)} ;;
  all)
    track
    chunk=1
    while [ "$chunk" -le {len(farm.chunks)} ]; do
      frames=$(frames_of "$chunk")
      matte "$frames"
      chunk=$((chunk + 1))
    done
    verify
    ;;
  *) echo "usage: job.sh track | chunk N | matte FRAMES | verify | chunks | all" >&2; exit 2 ;;
esac
"""


def write_shell(farm: FarmJob, folder: Path) -> tuple[Path, ...]:
    """Write `job.sh` and return it. Raises MediaError."""
    path = folder / "job.sh"
    with whole_file(path, what="the farm job's job.sh") as temp:
        temp.write_text(shell_script(farm), encoding="utf-8", newline="\n")
        temp.chmod(0o755)
    return (path,)
