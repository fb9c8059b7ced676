#!/bin/sh
# Installs vimatte for this user, in one folder (~/.vimatte), without administrator's rights: install.sh --help
# It finds a Python 3.11 to 3.13, or lets uv fetch one; everything else is install.py, the same on every system.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

wanted='3.13 3.12 3.11'
if [ -f "$here/python_version" ]; then
    # The wheels of a bundle are for one Python.
    wanted=$(cat "$here/python_version")
fi

named=${VIMATTE_PYTHON:-} prefix=$HOME/.vimatte uninstall='' dry_run='' before=''
for argument in "$@"; do
    case $before in
        --python) named=$argument ;;
        --prefix) prefix=$argument ;;
    esac
    case $argument in
        --python=*) named=${argument#*=} ;;
        --prefix=*) prefix=${argument#*=} ;;
        --uninstall) uninstall=1 ;;
        --dry-run) dry_run=1 ;;
    esac
    before=$argument
done
# shellcheck disable=SC2088
case $prefix in
    # The shell leaves the tilde of --prefix=~/folder to programs.
    '~/'*) prefix=$HOME/${prefix#'~/'} ;;
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac

# A program as it can be started: a path, or a name on PATH.
suits() {
    # shellcheck disable=SC2016 # Python's, not the shell's
    command -v "$1" >/dev/null 2>&1 && "$1" -I -c 'import sys, venv, ensurepip
sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv[1].split() or sys.maxsize < 2**32)' "$wanted" >/dev/null 2>&1
}

find_python() {
    if [ -n "$named" ]; then
        if suits "$named"; then
            echo "$named"
            return 0
        fi
        echo "Error: $named is no Python of version $(echo "$wanted" | sed 's/ /, /g') with venv; name another, or leave --python away." >&2
        return 2
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python "$prefix/venv/bin/python" "$here/../venv/bin/python"; do
        if suits "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# uv asks for no rights either; with these, all that it fetches lies in the prefix and nothing is put on PATH.
find_uv() {
    if command -v uv >/dev/null 2>&1; then
        echo uv
        return 0
    fi
    # An older Python, as macOS has one, can bring uv.
    for candidate in python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 8))' >/dev/null 2>&1; then
            [ -n "$dry_run" ] && echo "uv, brought by $candidate" && return 0
            echo "Fetching uv with $candidate" >&2
            mkdir -p "$prefix" && "$candidate" -m venv "$prefix/uv" >&2 &&
                "$prefix/uv/bin/python" -m pip install --quiet --no-cache-dir --disable-pip-version-check uv >&2 &&
                echo "$prefix/uv/bin/uv" && return 0
            rm -rf "$prefix/uv"
            return 1
        fi
    done
    return 1
}

fetch_python() {
    uv=$1
    version=${wanted%% *}
    export UV_CACHE_DIR="$prefix/uv/cache" UV_PYTHON_INSTALL_BIN=0 UV_NO_PROGRESS=1
    for one in $wanted; do
        # One that uv fetched for somebody else will do.
        if found=$("$uv" python find "$one" 2>/dev/null) && suits "$found"; then
            echo "$found"
            return 0
        fi
    done
    export UV_PYTHON_INSTALL_DIR="$prefix/python"
    echo "Fetching Python $version with uv" >&2
    "$uv" python install "$version" >&2 && UV_PYTHON_PREFERENCE=only-managed "$uv" python find "$version"
}

code=0
python=$(find_python) || code=$?
if [ "$code" = 1 ] && [ -z "$uninstall" ] && uv=$(find_uv); then
    code=0
    if [ -n "$dry_run" ]; then
        echo "python    ${wanted%% *}, to be fetched by $uv into $prefix/python"
        echo "(what follows from it is decided when it is there)"
        exit 0
    fi
    python=$(fetch_python "$uv") || code=1
fi
if [ "$code" = 1 ]; then
    echo "Error: no Python of version $(echo "$wanted" | sed 's/ /, /g') with venv was found, and none could be fetched with uv;" \
        "install one (python.org, or your system's python3 and python3-venv), or name it: --python PATH" >&2
    exit 3
fi
[ "$code" = 0 ] || exit "$code"
exec "$python" -I -B "$here/install.py" "$@"
