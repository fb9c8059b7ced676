"""The main job on real footage: who is found, how long it takes, how much memory it needs; pictures to look at.

    python tests/bench/real_footage.py OUT [NAME…] [--frames N] [options of vim-batch]

runs `vim-batch` without masks on every clip of the footage folder (and the example shot) and prints a table. Contact
sheets and previews are left in OUT for somebody to look at: a table cannot see a swapped person.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from vimatte.ocio.readers import open_clip

ROOT = Path(__file__).resolve().parents[2]
FOOTAGE = Path(os.environ.get("VIMATTE_FOOTAGE", ROOT.parent / "shared" / "data" / "footage"))
CLIPS = {
    "example": (ROOT / "tests" / "data" / "example" / "shot.mov", 3),
    "composite": (FOOTAGE / "composite_gt_share" / "frames", 3),
    "bedroom": (FOOTAGE / "clip_sam2_bedroom" / "bedroom.mp4", 2),
    "chaplin": (FOOTAGE / "clip_chaplin" / "chaplin.mp4", 2),
    "boys_beach": (FOOTAGE / "clip_boys_beach" / "input_video.mp4", 2),
    "classroom": (FOOTAGE / "clip_intel_previews" / "classroom.gif", 4),
    "walking": (FOOTAGE / "clip_intel_previews" / "face-demographics-walking.gif", 2),
    "walking_pause": (FOOTAGE / "clip_intel_previews" / "face-demographics-walking-and-pause.gif", 3),
    "head_pose": (FOOTAGE / "clip_intel_previews" / "head-pose-face-detection-female-and-male.gif", 2),
    "trampoline": (FOOTAGE / "clip_4k_trampoline" / "input_video.mp4", 1),
}
"""Name -> clip and how many people are in it."""


def run(command: list[str]) -> tuple[int, float, float, list[dict]]:
    """Run vim-batch; give exit code, seconds, peak memory in MB, and its events."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    events = [json.loads(line) for line in out.splitlines()]
    return child.returncode, time.monotonic() - started, usage.ru_maxrss / 1024, events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(CLIPS), metavar="NAME")
    parser.add_argument("--frames", type=int, help="only the first N frames")
    asked, more = parser.parse_known_args()
    print("| clip | people | found | frames | s/frame find | follow | matte and write | in all | frames/s | peak MB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in asked.names:
        clip, people = CLIPS[name]
        if not clip.exists():
            print(f"| {name} | {people} | (footage not here) | | | | | | | |")
            continue
        out = asked.out / name / "layers.exr"
        command = [
            sys.executable, "-c", "from vimatte.cli.entry import vim_batch; vim_batch()", str(clip), "--out", str(out),
            "--preview", "--overwrite", "--json", *more,
        ]  # fmt: skip
        if asked.frames:
            with open_clip(clip) as opened:
                numbers = opened.info.frames.numbers[: asked.frames]
            command += ["--frames", f"{numbers[0]}-{numbers[-1]}"]
        code, seconds, memory, events = run(command)
        if code:
            said = events[-1]["message"] if events else code
            print(f"| {name} | {people} | failed: {said} | | | | | | | |", flush=True)
            continue
        times = {e["event"] + e.get("phase", ""): e.get("at") for e in events}
        names = next(e["names"] for e in events if e["event"] == "tracks")
        frames = events[-1]["frames"]
        ended = events[-1]["at"]
        tracked, mattes = times["tracks"], times.get("phasepreview", ended)
        parts = [times.get("phasepropagate", tracked), tracked, mattes]
        find, follow, matte = ((end - start) / frames for start, end in pairwise([0.0, *parts]))
        # The preview is asked for to be looked at; what a frame costs is all else, from the start of the program.
        whole = seconds - (ended - mattes)
        print(
            f"| {name} | {people} | {len(names)} | {frames} | {find:.2f} | {follow:.2f} | {matte:.2f} "
            f"| {whole / frames:.3f} | {frames / whole:.2f} | {memory:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
