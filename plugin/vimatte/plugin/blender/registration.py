"""Registering with Blender: every module in order, and back in the opposite order."""

from __future__ import annotations

import atexit

import bpy

from . import operators_people, operators_run, panel, preferences, properties, session, thumbnails

_MODULES = (preferences, properties, thumbnails, session, operators_run, operators_people, panel)
_registered = False


def register() -> None:
    """Register every module."""
    global _registered
    for module in _MODULES:
        module.register()
    _registered = True
    # As a Python module, versions 4.2 and 4.5 crash or hang at exit while an add-on's classes are registered.
    if getattr(bpy.app, "module", False):
        atexit.register(unregister)
    else:
        atexit.register(session.current.close)


def unregister() -> None:
    """Mirror `register`; the engine ends with it."""
    global _registered
    if not _registered:
        # At exit both the module's own handler and Blender ask.
        return
    _registered = False
    atexit.unregister(unregister)
    atexit.unregister(session.current.close)
    for module in reversed(_MODULES):
        module.unregister()
