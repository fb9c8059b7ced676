"""Backends by name."""

from __future__ import annotations

import pytest

from vimatte.engine.errors import BackendError
from vimatte.engine.registry import MATTING, VIS, Table


def test_every_built_in_name_can_be_imported():
    for table in (VIS, MATTING):
        for name in table.names():
            assert table.load(name).name == name


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(BackendError, match="blazepose, detect, edgetam, masks"):
        VIS.load("magic")


def test_a_missing_package_says_what_to_install():
    table = Table("model", "vimatte.none", {"far": "package_that_is_not_there.module:Thing"})
    with pytest.raises(BackendError, match="pip install package_that_is_not_there"):
        table.load("far")


def test_the_public_door_has_eight_names():
    import vimatte.engine as engine

    assert len(engine.__all__) == 8
    assert sorted(engine.__all__) == engine.__all__
    for name in engine.__all__:
        assert getattr(engine, name) is not None
    with pytest.raises(AttributeError):
        _ = engine.nothing
