"""What convolutions are worked out in."""

from __future__ import annotations

import pytest
import torch

from vimatte.engine.errors import ConfigError
from vimatte.engine.matting.lite import Lite
from vimatte.engine.precision import VARIABLE, quickest


@pytest.mark.parametrize("native", [True, False])
def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", True)
    assert quickest("cpu") == (torch.bfloat16 if native else torch.float32)
    assert quickest("cuda:0") == torch.float32
    monkeypatch.setenv(VARIABLE, "Full")
    assert quickest("cpu") == torch.float32


def test_a_torch_that_cannot_tell_takes_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert quickest("cpu") == torch.float32


def test_anything_else_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "half")
    with pytest.raises(ConfigError, match=r"VIMATTE_PRECISION is 'half'; set it to auto, or to full"):
        quickest("cpu")


def test_settings_say_in_what_mattes_were_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "full")
    assert Lite().settings["lite.precision"] == "float32"
