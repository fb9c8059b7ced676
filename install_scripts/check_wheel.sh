#!/usr/bin/env bash
# Builds the wheel, installs it in an environment of its own, and runs the main job from it, away from the sources.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
make_environment '[dev]'

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$VENV/bin/python" -m build --wheel --outdir "$work/dist" "$ROOT"
"$VENV/bin/python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
cp -r "$ROOT/tests/data/example" "$work/example"
cd "$work"
venv/bin/vimatte doctor example/shot.mov
venv/bin/vim-batch example/shot.mov --out "$work/out/layers.exr" --masks example/masks --frames 1001-1006 --preview --quiet
test -s out/layers.1006.exr && test -s out/layers.preview.mp4 && test -s out/layers.contact.png
echo "The wheel runs the main job."
