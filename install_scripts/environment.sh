# Sourced by the other scripts: makes .venv in the repository's root and installs the project into it, once.
# usage: . environment.sh; make_environment [extras]     extras: '' or '[dev]'
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${VIMATTE_VENV:-$ROOT/.venv}"
export PIP_DISABLE_PIP_VERSION_CHECK=1

find_python() {
    local candidate
    for candidate in "${VIMATTE_PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
        then
            command -v "$candidate"
            return
        fi
    done
    echo "No Python 3.11, 3.12 or 3.13 with venv was found; install one, or name it: VIMATTE_PYTHON=/path/to/python $0" >&2
    return 3
}

make_environment() {
    local extras="${1:-}" python stamp
    stamp="$VENV/.installed${extras//[^a-z]/-}-$(cksum <"$ROOT/pyproject.toml" | tr ' ' '-')"
    if [ ! -x "$VENV/bin/python" ]; then
        python="$(find_python)"
        echo "Making the environment $VENV with $python"
        "$python" -m venv "$VENV"
    fi
    if [ ! -e "$stamp" ]; then
        echo "Installing vimatte$extras and what it needs (torch is large: a few minutes the first time)"
        if ! "$VENV/bin/python" -m pip install --quiet --editable "$ROOT$extras"; then
            echo "pip could not install what vimatte needs; without a network, give pip a wheel folder: PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels $0" >&2
            return 3
        fi
        touch "$stamp"
    fi
}
