"""lite.matte: its steps, its tiles, its weights."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable

import numpy as np
import pytest
import torch

from vimatte.engine.errors import BackendError, MediaError
from vimatte.engine.lite.encoder import MobileNetV2, imagenet
from vimatte.engine.matting.lite import Lite
from vimatte.engine.matting.lite.network import ABSENT, Fine, MatteNetwork, People, TimeTap, alphas_of, shares_of
from vimatte.engine.matting.lite.refine import TILE, refined
from vimatte.engine.shot import Picture
from vimatte.engine.testing.matting_contract import crossing_shot, tracks_of
from vimatte.engine.testing.shots import MemoryShot
from vimatte.engine.tracks import TrackSet
from vimatte.engine.training.recipes.batch import Batch
from vimatte.engine.training.recipes.lite_matte import LiteMatteObjective, run


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def _lively() -> MatteNetwork:
    """A random network in which time and detail count."""
    network = MatteNetwork().eval()
    for layer in (network.wide_time.mix, network.middle_time.mix, network.fine.correction):
        torch.nn.init.normal_(layer.weight, std=0.2)
    return network


def test_shares_of_people_never_exceed_one() -> None:
    logits = torch.randn(2, 5, 9, 9) * 8
    for given in (shares_of(logits), alphas_of(logits)):
        assert given.min() >= 0
        assert given.sum(dim=1).max() <= 1 + 1e-6


def test_a_network_nearly_sure_says_nought_or_one() -> None:
    assert alphas_of(torch.tensor([4.6, -4.6])[None, :, None, None]).flatten().tolist() == [1.0, 0.0]
    assert alphas_of(torch.tensor([0.0, ABSENT])[None, :, None, None]).flatten().tolist() == pytest.approx([0.5, 0.0])


def test_others_are_the_other_people_of_the_same_frame() -> None:
    people = People(torch.tensor([0, 0, 1, 1, 1, 2]), torch.zeros(6, 2, 4, 4))
    x = torch.tensor([1.0, 3.0, 10.0, 20.0, 60.0, 5.0])[:, None, None, None]
    assert people.means_of_others(x).flatten().tolist() == [3.0, 1.0, 40.0, 35.0, 15.0, 0.0]


def test_people_are_alike_in_any_order() -> None:
    network = _lively()
    guidance = torch.rand(3, 2, 64, 64).round()
    order = torch.tensor([2, 0, 1])
    with torch.inference_mode():
        seen = network.look(torch.rand(1, 3, 64, 64))
        one, other = (
            network.third(network.second(network.first(seen, p), seen, p), seen, p)[1]
            for p in (People(torch.zeros(3, dtype=torch.int64), g) for g in (guidance, guidance[order]))
        )
    torch.testing.assert_close(one[order], other)


def test_time_counts_only_once_it_has_learned() -> None:
    tap = TimeTap(8)
    before, now, after = torch.randn(3, 2, 8, 6, 6)
    assert torch.equal(tap(before, now, after), now)
    torch.nn.init.normal_(tap.mix.weight)
    assert not torch.equal(tap(before, now, after), tap(after, now, before))


@pytest.mark.parametrize(("height", "width", "scale"), [(64, 96, 4), (192, 320, 4), (192, 320, 8), (16, 16, 4)])
def test_tiles_give_what_one_pass_gives(height: int, width: int, scale: int) -> None:
    fine = Fine().eval()
    torch.nn.init.normal_(fine.correction.weight, std=0.5)
    picture = torch.rand(3, height, width)
    context = torch.randn(2, 40, height // scale, width // scale)
    # Nobody is sure anywhere, so that all tiles are worked on.
    logits = torch.randn(2, 1, height // scale, width // scale) * 0.5
    with torch.inference_mode():
        found = refined(fine, picture, logits, context)
        size = {"mode": "bilinear", "align_corners": False}
        up = torch.nn.functional.interpolate(logits, size=(height, width), **size)  # type: ignore[arg-type]
        own = shares_of(up[None, :, 0])[0]
        coarse = torch.stack([own, own.sum(dim=0) - own], dim=1)
        detail = torch.nn.functional.interpolate(
            fine.context(context),
            size=(height // 2, width // 2),
            **size,  # type: ignore[arg-type]
        )
        wanted = alphas_of((up + fine(picture.expand(2, -1, -1, -1), coarse, detail))[None, :, 0])[0]
    torch.testing.assert_close(found, wanted, atol=2e-5, rtol=0)


def test_where_everybody_is_sure_the_coarse_alpha_stays() -> None:
    fine = Fine().eval()
    torch.nn.init.ones_(fine.correction.bias)
    logits = torch.full((1, 1, 48, 48), -9.0)
    logits[..., :8] = 9.0
    found = refined(fine, torch.rand(3, 192, 192), logits, torch.randn(1, 40, 48, 48))
    assert found[0, :, 2 * TILE :].max() == 0
    assert found[0, :, :16].min() == 1
    # Beside the edge, corrected by 1.
    assert torch.any((found[0, :, 24:40] > 0) & (found[0, :, 24:40] < 1))


def test_the_model_does_what_was_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streaming through windows and tiles gives what training's one pass over the clip gives."""
    monkeypatch.setenv("VIMATTE_PRECISION", "full")
    network = _lively()
    with torch.no_grad():
        network.coarse.weight *= 0.2
    pictures, alphas = crossing_shot(4, height=96, width=96)
    batch = Batch(
        pictures_BT3HW=torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)[None].contiguous(),
        alphas_BTPHW=torch.from_numpy(alphas)[None],
        masks_BTPHW=torch.from_numpy(alphas > 0.5)[None].float(),
    )
    with torch.inference_mode():
        wanted = LiteMatteObjective().mattes(network, batch)[0].numpy()
    tracks = tracks_of([[a[0] > 0.5, a[1] > 0.5] for a in alphas], height=96, width=96)
    shot = MemoryShot(pictures)
    monkeypatch.setattr("vimatte.engine.matting.lite.model.polished", lambda picture, alphas, **_: alphas)
    found = [f.alphas for f in Lite(state=network.state_dict()).mattes(shot, tracks, list(shot.frames))]
    unsure = (wanted > 0.02) & (wanted < 0.98)
    assert unsure.mean() > 0.3
    np.testing.assert_allclose(np.stack(found)[unsure], wanted[unsure], atol=2e-4)


def test_somebody_without_guidance_is_not_there() -> None:
    network = _lively()
    masks = torch.zeros(1, 2, 2, 64, 64)
    masks[:, :, 0, 16:48, 16:48] = 1
    batch = Batch(pictures_BT3HW=torch.rand(1, 2, 3, 64, 64), alphas_BTPHW=torch.zeros_like(masks), masks_BTPHW=masks)
    found = run(network, batch, batch.pictures_BT3HW, at=(0, 0, 64), alone=False)
    assert found.there_FN.tolist() == [[True, False]] * 2
    assert (found.logits_FNHW[:, 1] == ABSENT).all()


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BackendError, match=r"do not fit lite\.matte"):
        Lite(state={"encoder.features.0.0.weight": torch.zeros(3)})


def test_imagenet_weights_keep_what_the_network_says() -> None:
    """Norms folded into convolutions give what torchvision's layers give one after the other."""
    published: dict[str, torch.Tensor] = {}
    for key, value in MobileNetV2().state_dict().items():
        place, _, what = key.rpartition(".")
        parts = place.split(".")
        # torchvision: features.N.conv.K.0 is followed by .1, the last convolution features.N.conv.K by K + 1.
        last = parts[1] != "0" and int(parts[3]) == (1 if parts[1] == "1" else 2)
        conv = ".".join(parts[:-1]) if last else place
        norm = f"features.{parts[1]}.conv.{int(parts[3]) + 1}" if last else ".".join([*parts[:-1], "1"])
        if what == "weight":
            published[f"{conv}.weight"] = torch.randn_like(value)
        else:
            for name in ("weight", "bias", "running_mean"):
                published[f"{norm}.{name}"] = torch.randn_like(value)
            published[f"{norm}.running_var"] = torch.rand_like(value) + 0.5
    state = imagenet(published)
    x = torch.randn(1, 32, 8, 8)
    key = "features.1.conv.0"
    wanted = torch.nn.functional.batch_norm(
        torch.nn.functional.conv2d(x, published[f"{key}.0.weight"], groups=32, padding=1),
        *(published[f"{key}.1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")),
    )
    found = torch.nn.functional.conv2d(x, state[f"{key}.0.weight"], state[f"{key}.0.bias"], groups=32, padding=1)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    with pytest.raises(BackendError, match="not torchvision's"):
        imagenet({"features.0.0.weight": torch.zeros(1, 1, 1, 1)})


class _Torn(MemoryShot):
    """Its fifth picture cannot be read."""

    def pictures(self, numbers: Iterable[int]) -> Generator[tuple[int, Picture]]:
        for number, picture in super().pictures(numbers):
            if number == self.frames.numbers[4]:
                raise MediaError("Frame 1005 is torn.")
            yield number, picture


def _crossing(kind: type[MemoryShot] = MemoryShot) -> tuple[MemoryShot, TrackSet]:
    pictures, alphas = crossing_shot(6)
    return kind(pictures), tracks_of([[a[0] > 0.5, a[1] > 0.5] for a in alphas], height=72, width=96)


def test_frames_on_threads_are_what_they_are_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    shot, tracks = _crossing()
    model = Lite()
    threaded = [one.alphas for one in model.mattes(shot, tracks, shot.frames.numbers)]
    monkeypatch.setattr("vimatte.engine.matting.lite.model.ahead", lambda items: items)
    plain = [one.alphas for one in model.mattes(shot, tracks, shot.frames.numbers)]
    assert all(np.array_equal(one, other) for one, other in zip(threaded, plain, strict=True))


def test_a_picture_that_cannot_be_read_says_so_after_the_frames_before_it() -> None:
    shot, tracks = _crossing(_Torn)
    before = set(threading.enumerate())
    done: list[int] = []
    stream = Lite().mattes(shot, tracks, shot.frames.numbers)
    with pytest.raises(MediaError, match="torn"):
        done.extend(one.number for one in stream)
    assert done == list(shot.frames.numbers[:2]), "a frame needs the two after it"
    assert set(threading.enumerate()) <= before


def test_frames_of_large_plates_are_made_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    shot, tracks = _crossing()
    model = Lite()
    threaded = next(model.mattes(shot, tracks, shot.frames.numbers)).alphas
    monkeypatch.setattr("vimatte.engine.matting.lite.model._LARGE", tracks.width * tracks.height - 1)
    before = set(threading.enumerate())
    stream = model.mattes(shot, tracks, shot.frames.numbers)
    assert np.array_equal(next(stream).alphas, threaded)
    assert set(threading.enumerate()) <= before
    stream.close()


def test_leaving_early_leaves_no_thread() -> None:
    shot, tracks = _crossing()
    before = set(threading.enumerate())
    stream = Lite().mattes(shot, tracks, shot.frames.numbers)
    next(stream)
    stream.close()
    assert set(threading.enumerate()) <= before
