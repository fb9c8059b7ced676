#!/usr/bin/env bash
# From a fresh clone to a passing test suite, in one command. Arguments go to pytest.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
make_environment '[dev]'
cd "$ROOT"

# Tests of the people finder need its weights; where pip reaches no index they skip and say so.
"$VENV/bin/vimatte" weights pull blazepose --accept-licence || echo "(tests that need fetched weights will skip)"

"$VENV/bin/ruff" check .
"$VENV/bin/ruff" format --check .
"$VENV/bin/mypy"
"$VENV/bin/lint-imports"
OMP_NUM_THREADS=1 "$VENV/bin/python" -m pytest --numprocesses 2 --dist worksteal "$@"
