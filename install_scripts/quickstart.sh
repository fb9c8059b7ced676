#!/usr/bin/env bash
# From a fresh clone to layered EXRs of the example shot, in one command.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
make_environment

example="$ROOT/tests/data/example"
out="${1:-$ROOT/out/example}"
mkdir -p "$out"

people=(--vis blazepose)
if ! "$VENV/bin/vimatte" weights pull blazepose --accept-licence; then
    echo "The people finder could not be fetched (pip reaches no index); the example's first-frame masks are used instead."
    people=(--masks "$example/masks")
fi

"$VENV/bin/vim-batch" "$example/shot.mov" --out "$out/layers.exr" "${people[@]}" --cryptomatte --preview --overwrite

cat <<END

The layers, one EXR a frame:  $out/layers.1001.exr … layers.1040.exr
The preview movie:            $out/layers.preview.mp4
The contact sheet:            $out/layers.contact.png
Your own shot:                $VENV/bin/vim-batch shot.mov --out layers.exr
END
