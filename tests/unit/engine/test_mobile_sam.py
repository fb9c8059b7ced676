"""MobileSAM: shapes and refusals with tiny random weights; numbers against another SAM; real weights on people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.masks import mask_iou
from vimatte.engine.vis.mobile_sam import Embedding, Segmenter
from vimatte.engine.vis.mobile_sam.image_encoder import TINY_VIT_5M, TinyViTConfig
from vimatte.engine.vis.mobile_sam.mask_decoder import MaskDecoder
from vimatte.engine.vis.mobile_sam.prompt_encoder import PromptEncoder
from vimatte.engine.vis.mobile_sam.segmenter import _largest_good
from vimatte.engine.vis.mobile_sam.state_dict import MobileSam, load_mobile_sam
from vimatte.engine.vis.prompt import _tidied, prompted_mask
from vimatte.engine.weights import locate

TINY = TinyViTConfig(
    side=128, widths=(8, 16, 20, 40), depths=(1, 1, 1, 1), heads=(2, 4, 5, 10), windows=(7, 7, 14, 7), out=32
)


def tiny_network() -> MobileSam:
    torch.manual_seed(5)
    network = MobileSam(TINY, inner=64)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3
    return network.eval()


@pytest.fixture(scope="module")
def tiny() -> Segmenter:
    return Segmenter(tiny_network())


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).random((60, 90, 3), np.float32)


@pytest.fixture(scope="module")
def seen(tiny: Segmenter, picture: np.ndarray) -> Embedding:
    return tiny.look(picture)


def test_an_embedding_is_a_sixteenth_of_the_square(seen: Embedding) -> None:
    assert seen.values.shape == (1, 32, 8, 8)
    assert (seen.height, seen.width) == (60, 90)


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(10, 20, True)]},
        {"points": [(10, 20, True), (80, 50, False)]},
        {"box": (5, 5, 40.5, 50)},
        {"box": (5, 5, 40, 50), "points": [(10, 20, True)]},
        {"prior": np.pad(np.ones((30, 30), np.float32), ((10, 20), (10, 50)))},
    ],
    ids=["click", "clicks", "box", "both", "mask"],
)
def test_every_prompt_gives_a_soft_mask_of_the_picture(tiny: Segmenter, seen: Embedding, prompt: dict) -> None:
    soft, score = tiny.mask(seen, **prompt)
    assert soft.shape == (60, 90)
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert 0 <= score <= 1
    again, _ = tiny.mask(seen, **prompt)
    assert np.array_equal(soft, again)


def test_prompts_matter(tiny: Segmenter, seen: Embedding) -> None:
    one, _ = tiny.mask(seen, points=[(10, 20, True), (70, 20, True)])
    for points in ([(10, 20, True), (70, 20, False)], [(10, 20, True), (60, 50, True)]):
        assert not np.array_equal(one, tiny.mask(seen, points=points)[0])


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({}, "needs a prompt"),
        ({"points": [(90, 20, True)]}, r"90,20 is outside the picture, which is 90x60"),
        ({"points": [(10, -1, True)]}, "outside the picture"),
        ({"box": (5, 5, 5, 9)}, "is empty"),
        ({"box": (95, 5, 99, 9)}, "outside the picture"),
        ({"prior": np.ones((5, 5), np.float32)}, "rough mask is 5x5"),
    ],
)
def test_wrong_prompts_are_refused(tiny: Segmenter, seen: Embedding, prompt: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tiny.mask(seen, **prompt)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (128, 128), (333, 3)])
def test_any_size_of_picture(tiny: Segmenter, size: tuple[int, int]) -> None:
    soft, _ = tiny.mask(tiny.look(np.full((*size, 3), 0.5, np.float32)), points=[(0, 0, True)])
    assert soft.shape == size


def test_a_lone_click_takes_the_largest_good_reading() -> None:
    logits = torch.full((4, 8, 8), -1.0)
    logits[0] = 1
    logits[1, :2] = logits[2, :4] = logits[3, :6] = 1
    assert _largest_good(logits, torch.tensor([1.0, 0.99, 0.95, 0.93])) == 3
    assert _largest_good(logits, torch.tensor([1.0, 0.99, 0.95, 0.80])) == 2
    assert _largest_good(logits, torch.tensor([1.0, 0.99, 0.50, 0.80])) == 1


def test_a_block_is_the_same_for_a_shifted_window() -> None:
    """Windows are cut where they should be: what happens in one leaves those that do not touch it alone."""
    torch.manual_seed(0)
    block = tiny_network().image_encoder.layers[1].blocks[0]  # type: ignore[index, union-attr]
    x = torch.randn(1, 16, 21, 21)
    other = x.clone()
    other[..., 14:, 14:] += 1
    with torch.inference_mode():
        one, two = block(x), block(other)
    assert torch.equal(one[..., :13, :13], two[..., :13, :13])
    assert not torch.allclose(one[..., 14:, 14:], two[..., 14:, 14:])


def test_names_and_shapes_are_those_of_the_published_file() -> None:
    """A few of each part; loading the real file is strict."""
    shapes = {name: tuple(value.shape) for name, value in MobileSam(TINY_VIT_5M).state_dict().items()}
    assert shapes["image_encoder.layers.2.blocks.5.attn.attention_biases"] == (5, 196)
    assert shapes["image_encoder.layers.2.downsample.conv3.c.weight"] == (320, 320, 1, 1)
    assert shapes["image_encoder.neck.2.weight"] == (256, 256, 3, 3)
    assert shapes["prompt_encoder.mask_downscaling.6.weight"] == (256, 16, 1, 1)
    assert shapes["mask_decoder.transformer.layers.1.cross_attn_image_to_token.q_proj.weight"] == (128, 256)
    assert shapes["mask_decoder.output_hypernetworks_mlps.3.layers.2.weight"] == (32, 256)
    assert len(shapes) == 435


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("not weights")
    torch.save({"other": torch.zeros(3)}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("text.pt", "other.pt", "list.pt", "absent.pt"):
        with pytest.raises(BackendError, match="vimatte weights pull mobile_sam"):
            load_mobile_sam(tmp_path / name)


def test_crumbs_go_unless_clicked() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:30] = True
    mask[5:7, 50:52] = mask[40:42, 50:52] = True
    mask[30, 20] = False
    tidied = _tidied(mask, [(51, 6)])
    assert tidied[5:7, 50:52].all()
    assert not tidied[40:42, 50:52].any()
    assert tidied[30, 20]
    assert not _tidied(np.zeros((5, 5), bool), []).any()


class Says:
    """A segmenter that always answers the same, and remembers what it was asked."""

    def __init__(self, mask: np.ndarray) -> None:
        self.answer, self.asked = mask, {}

    def look(self, picture: np.ndarray) -> None:
        return None

    def mask(self, seen: None, **asked: object) -> tuple[np.ndarray, float]:
        self.asked = asked
        return self.answer.astype(np.float32), 0.9


def test_people_who_were_not_clicked_on_keep_their_pixels(picture: np.ndarray) -> None:
    found, other = np.zeros((2, 60, 90), bool)
    found[10:50, 10:50] = True
    other[10:50, 40:80] = True
    says = Says(found)
    mask, score = prompted_mask(says, picture, clicks=[(20, 20)], nots=[(5, 5)], others=[other])
    assert score == 0.9
    assert np.array_equal(mask, found & ~other)
    assert [p for p in says.asked["points"] if p[2]] == [(20, 20, True)]
    away = [p for p in says.asked["points"] if not p[2]]
    assert away[0] == (5, 5, False)
    assert 2 <= len(away) <= 4
    assert all(other[round(y), round(x)] for x, y, _ in away[1:])
    taken, _ = prompted_mask(says, picture, clicks=[(20, 20), (45, 20)], others=[other])
    assert np.array_equal(taken, found)


def test_a_mask_that_is_partly_right_is_where_to_start(picture: np.ndarray) -> None:
    before = np.zeros((60, 90), bool)
    before[10:50, 10:50] = True
    says = Says(before)
    for prompt, used in (
        ({"clicks": [(20, 20)]}, True),
        ({"clicks": [(80, 20)]}, True),
        ({"clicks": [(80, 20)], "nots": [(20, 20)]}, False),
        ({"clicks": [(20, 20)], "box": (0, 0, 60, 60)}, False),
        ({"clicks": [(20, -1e6), (1e6, 3)]}, True),
    ):
        prompted_mask(says, picture, before=before, **prompt)
        assert (says.asked["prior"] is not None) == used, prompt


def test_clicks_add_and_nots_take_only_what_they_point_at(picture: np.ndarray) -> None:
    before, found = np.zeros((2, 60, 90), bool)
    before[10:50, 10:50] = True
    found[10:40, 14:50] = found[20:30, 50:60] = found[35:39, 50:58] = True
    says = Says(found)
    more, _ = prompted_mask(says, picture, clicks=[(55, 25)], before=before)
    expected = before.copy()
    expected[20:30, 50:60] = True
    assert np.array_equal(more, expected)
    less, _ = prompted_mask(says, picture, clicks=[(20, 20)], nots=[(30, 45)], before=before)
    assert np.array_equal(less, before & found), "the bottom and the left side are one island"
    both, _ = prompted_mask(says, picture, clicks=[(20, 20)], before=before)
    assert np.array_equal(both, found), "a click on what is right asks for a better mask"


def test_prompts_that_find_nothing_say_what_to_do(picture: np.ndarray) -> None:
    says = Says(np.zeros((60, 90), bool))
    with pytest.raises(ConfigError, match="Nothing was found"):
        prompted_mask(says, picture, clicks=[(3, 3)])
    with pytest.raises(ConfigError, match="is not enough"):
        prompted_mask(says, picture, nots=[(3, 3)])


def test_decoder_and_prompts_equal_another_sam() -> None:
    """The same random weights in Hugging Face's SAM give the same masks."""
    other = pytest.importorskip("transformers")
    config = other.SamConfig(
        vision_config={"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 128},
        prompt_encoder_config={"image_size": 128},
    )
    torch.manual_seed(2)
    theirs = other.SamModel(config).eval()
    ours_prompts, ours_decoder = PromptEncoder(cells=8, side=128).eval(), MaskDecoder().eval()
    ours_prompts.load_state_dict(_from_hugging_face(theirs, prompts=True))
    ours_decoder.load_state_dict(_from_hugging_face(theirs, prompts=False))
    embedding = torch.randn(1, 256, 8, 8)
    points, kinds = torch.tensor([[[30.0, 40.0], [90.0, 20.0]]]), torch.tensor([[1, 0]])
    rough = torch.randn(1, 1, 32, 32)
    for box, mask in ((None, None), (torch.tensor([[10.0, 12.0, 100.0, 90.0]]), rough)):
        with torch.inference_mode():
            said = theirs(
                image_embeddings=embedding,
                input_points=points[None],
                input_labels=kinds[None],
                input_boxes=None if box is None else box[None],
                input_masks=mask,
                multimask_output=True,
            )
            tokens, dense = ours_prompts(points_NP2=points, kinds_NP=kinds, box_N4=box, mask_N1HW=mask)
            logits, expected = ours_decoder(
                embedding_NCHW=embedding, places_1CHW=ours_prompts.places(), tokens_NPC=tokens, dense_NCHW=dense
            )
        torch.testing.assert_close(logits[:, 1:], said.pred_masks[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(expected[:, 1:], said.iou_scores[0], rtol=1e-4, atol=1e-4)


def _from_hugging_face(model: torch.nn.Module, *, prompts: bool) -> dict[str, Tensor]:
    renamed = {
        "prompt_encoder.shared_embedding.positional_embedding": "pe_layer.positional_encoding_gaussian_matrix",
        "prompt_encoder.point_embed": "point_embeddings",
        "prompt_encoder.mask_embed.conv1": "mask_downscaling.0",
        "prompt_encoder.mask_embed.layer_norm1": "mask_downscaling.1",
        "prompt_encoder.mask_embed.conv2": "mask_downscaling.3",
        "prompt_encoder.mask_embed.layer_norm2": "mask_downscaling.4",
        "prompt_encoder.mask_embed.conv3": "mask_downscaling.6",
        "upscale_conv1": "output_upscaling.0",
        "upscale_layer_norm": "output_upscaling.1",
        "upscale_conv2": "output_upscaling.3",
        "layers.0.weight": "layers.1.weight",
        "layers.0.bias": "layers.1.bias",
        "proj_in": "layers.0",
        "proj_out": "layers.2",
        "layer_norm_final_attn": "norm_final_attn",
        "layer_norm": "norm",
        "prompt_encoder.": "",
        "mask_decoder.": "",
    }
    found = {}
    for name, value in model.state_dict().items():
        if name.startswith("prompt_encoder." if prompts else "mask_decoder."):
            new = name
            for old, replacement in renamed.items():
                perceptron = old.startswith(("layers.0.", "proj_"))
                if not perceptron or "hypernetworks" in name or "iou_prediction_head" in name:
                    new = new.replace(old, replacement)
            found[new] = value
    if prompts:
        found["pe_layer.positional_encoding_gaussian_matrix"] = model.state_dict()[
            "shared_image_embedding.positional_embedding"
        ]
    return found


# -- the real weights --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> Segmenter:
    try:
        locate("mobile_sam")
    except BackendError as error:
        pytest.skip(str(error))
    return Segmenter.open()


@pytest.mark.weights
@pytest.mark.slow
def test_boxes_and_clicks_on_people_in_the_clear(real: Segmenter, example: Path) -> None:
    """Boxes around the truth, and single clicks, on the example's first frame."""
    import cv2

    from vimatte.engine import open_clip

    with open_clip(example / "shot.mov") as shot:
        picture = shot.picture(1001)
    seen = real.look(picture)
    for name in ("anna", "bruno", "carla"):
        truth = cv2.imread(str(example / "truth" / name / "1001.png"), cv2.IMREAD_UNCHANGED) > 32767
        ys, xs = np.nonzero(truth)
        box = (float(xs.min()), float(ys.min()), float(xs.max()) + 1, float(ys.max()) + 1)
        framed, score = real.mask(seen, box=box)
        assert mask_iou(framed > 0.5, truth) > 0.9, name
        assert score > 0.8
        inside = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 5)
        y, x = np.unravel_index(int(inside.argmax()), inside.shape)
        clicked, _ = prompted_mask(real, picture, clicks=[(float(x), float(y))])
        assert mask_iou(clicked, truth) > 0.8, name
