#!/usr/bin/env bash
# The tests in a real Blender: the bpy module in an environment of its own. Arguments go to pytest.
# VIMATTE_BPY=4.5.15 chooses the version (4.2, 4.5 and 5.0 want Python 3.11; 5.1 and 5.2 want 3.13).
# Where bpy or its libraries cannot be had it says so and leaves with 0; with VIMATTE_REQUIRE_BPY=1 that is a failure.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
cd "$ROOT"
BPY="${VIMATTE_BPY:-4.5.15}"
case "$BPY" in 5.[1-9]*) WANTED=3.13 ;; *) WANTED=3.11 ;; esac
IFS=. read -r major minor _ <<<"$BPY"
BPY_VENV="$ROOT/.venv-bpy$major$minor"

skip() {
    echo "SKIPPED: the tests in Blender $BPY did not run: $1" >&2
    [ "${VIMATTE_REQUIRE_BPY:-}" = 1 ] && exit 1
    exit 0
}

python_for_bpy() {
    local candidate
    for candidate in "${VIMATTE_BPY_BASE:-}" "python$WANTED" "$HOME"/.pyenv/versions/"$WANTED".*/bin/python python3 python; do
        if [ -n "$candidate" ] && "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$WANTED')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if [ ! -e "$BPY_VENV/.has-$BPY" ]; then
    base="$(python_for_bpy)" || skip "it needs Python $WANTED; install it, or name it in VIMATTE_BPY_BASE"
    "$base" -m venv "$BPY_VENV" || skip "no environment could be made with $base"
    "$BPY_VENV/bin/python" -m pip install --quiet "bpy==$BPY" || skip "pip could not install bpy==$BPY (about 400 MB)"
    touch "$BPY_VENV/.has-$BPY"
fi

can_import() { "$BPY_VENV/bin/python" -c 'import os, sys, bpy; sys.stdout.flush(); os._exit(0)' >/dev/null 2>&1; }

if ! can_import && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing the libraries that bpy links to"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libx11-6 libxrender1 libxfixes3 libxi6 libxkbcommon0 libsm6 libice6 libgl1 libxxf86vm1 libgomp1; } >/dev/null || true
fi
can_import || skip "import bpy fails: $("$BPY_VENV/bin/python" -c 'import bpy' 2>&1 | tail -1)"

make_environment '[dev]'
OMP_NUM_THREADS=1 VIMATTE_BPY_PYTHON="$BPY_VENV/bin/python" "$VENV/bin/python" -m pytest tests/blender "$@"
