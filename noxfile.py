"""`nox`: the tests in every Blender the extension promises, each in an environment and processes of its own.

`pip install nox`, then `nox`, or one of them: `nox -s "blender(4.5.15)"`.
"""

from __future__ import annotations

import os

import nox

nox.options.default_venv_backend = "none"
nox.options.error_on_missing_interpreters = False

BLENDERS = ("4.2.23", "4.5.15", "5.0.1", "5.2.3")


@nox.session
@nox.parametrize("bpy", BLENDERS, ids=BLENDERS)
def blender(session: nox.Session, bpy: str) -> None:
    """Install this bpy beside the project and run tests/blender with it; a version that cannot be had is a failure."""
    env = {**os.environ, "VIMATTE_BPY": bpy, "VIMATTE_REQUIRE_BPY": "1"}
    session.run("install_scripts/test_blender.sh", "-q", *session.posargs, external=True, env=env)


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Everything that needs no Blender."""
    session.run("install_scripts/test.sh", *session.posargs, external=True)
