"""What buttons, menus and scripts in Nuke call: `import vimatte_nuke; vimatte_nuke.matte(nuke.toNode("People"))`.

The glue is loaded under a name of its own. Its parent folders never come onto `sys.path`: one of them is named `nuke`,
and in an installed wheel they lie among packages that are made for another Python.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import nuke

__all__ = ["cancel", "create", "find_people", "matte"]

_PACKAGE = "vimatte_plugin"


def create() -> Any:
    """Add a Video Instance Matte under the selected node, and return it."""
    return _do("create")


def find_people(node: Any = None) -> None:
    """Find and follow everybody in the plate of `node`, a Video Instance Matte; default: the one whose button it is.

    Returns at once and shows a progress bar; without a window it returns when the work is done, and raises RuntimeError
    with a sentence when it cannot be done.
    """
    _do("find_people", node if node is not None else nuke.thisNode())


def matte(node: Any = None) -> None:
    """Write one soft matte a person and frame, and read them beside `node`; like `find_people` otherwise."""
    _do("matte", node if node is not None else nuke.thisNode())


def cancel() -> None:
    """Stop what runs; every frame that was written is whole."""
    _do("cancel")


def _do(name: str, *arguments: Any) -> Any:
    try:
        buttons = _load()
    except RuntimeError as error:
        if not nuke.GUI:
            raise
        nuke.message(str(error))
        return None
    return getattr(buttons, name)(*arguments)


def _load() -> Any:
    if _PACKAGE not in sys.modules:
        # A link is followed: the bridge to the engine lies beside the real folder.
        plugin = Path(__file__).resolve().parents[1]
        if not (plugin / "bridge" / "__init__.py").is_file():
            raise RuntimeError(
                f"The vimatte folder {Path(__file__).parent} was copied away from the rest of vimatte; link it, or "
                "name the original in NUKE_PATH."
            )
        spec = importlib.util.spec_from_file_location(
            _PACKAGE, plugin / "__init__.py", submodule_search_locations=[str(plugin)]
        )
        assert spec is not None
        assert spec.loader is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[_PACKAGE] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{_PACKAGE}.nuke.vimatte_glue.buttons")
