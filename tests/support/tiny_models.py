"""Tiny random checkpoints of the transformers library, saved as a user would find them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

LABELS = {0: "person", 1: "dog", 2: "red car"}


@contextmanager
def seeded(seed: int = 2) -> Iterator[None]:
    """Random weights that are the same on every run."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def save(model: Any, folder: Path, **files: object) -> Path:
    """Save a model with further JSON files: preprocessor_config={...}."""
    from vimatte.engine.vis.hub.checkpoint import quiet

    with quiet():
        model.save_pretrained(folder)
    for name, values in files.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return folder


def videomt(folder: Path) -> Path:
    """VidEoMT of 32 pixels whose queries are all surely people."""
    from transformers import VideomtConfig, VideomtForUniversalSegmentation

    config = VideomtConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=32,
        patch_size=8,
        num_blocks=1,
        num_queries=4,
        num_register_tokens=1,
        num_upscale_blocks=1,
        id2label=LABELS,
        label2id={v: k for k, v in LABELS.items()},
    )
    with seeded():
        model = VideomtForUniversalSegmentation(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
            model.query.weight.normal_(std=3.0)
            model.class_predictor.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    return save(model, folder, video_preprocessor_config={"size": {"height": 32, "width": 32}})


def _sam2_vision() -> Any:
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig

    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[64, 64],
        patch_kernel_size=[7, 7],
        patch_stride=[4, 4],
        patch_padding=[3, 3],
        window_positional_embedding_background_size=[4, 4],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 4, 2],
        global_attention_blocks=[3],
    )
    return Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=128,
    )


_MEMORY = {
    "image_size": 64,
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_attention_rope_feat_sizes": [4, 4],
    "memory_encoder_hidden_size": 128,
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 32,
}
_PROMPTS = {"hidden_size": 128, "image_size": 64, "patch_size": 16, "mask_input_channels": 8}
_DECODER = {
    "hidden_size": 128,
    "mlp_dim": 32,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 32,
}


def sam2(folder: Path) -> Path:
    """SAM 2 of 64 pixels."""
    from transformers import Sam2VideoConfig, Sam2VideoModel

    config = Sam2VideoConfig(
        vision_config=_sam2_vision(),
        prompt_encoder_config=_PROMPTS,
        mask_decoder_config=_DECODER,
        memory_attention_feed_forward_hidden_size=32,
        **_MEMORY,
    )
    with seeded():
        model = Sam2VideoModel(config)
        _stir(model)
    return save(model, folder, video_preprocessor_config={"size": {"height": 64, "width": 64}})


def edgetam(folder: Path) -> Path:
    """EdgeTAM of 64 pixels, with SAM 2's picture encoder: its own needs timm."""
    from transformers import EdgeTamVideoConfig, EdgeTamVideoModel

    config = EdgeTamVideoConfig(
        vision_config=_sam2_vision(),
        prompt_encoder_config=_PROMPTS,
        mask_decoder_config=_DECODER,
        memory_attention_mlp_hidden_size=32,
        memory_attention_rope_k_sizes=[2, 2],
        perceiver_resampler_num_latents=4,
        perceiver_resampler_num_latents_2d=4,
        perceiver_resampler_hidden_size=64,
        perceiver_resampler_mlp_intermediate_size=16,
        perceiver_resampler_attention_head_dim=64,
        perceiver_resampler_num_layers=1,
        **_MEMORY,
    )
    with seeded():
        model = EdgeTamVideoModel(config)
        _stir(model)
    return save(model, folder, video_preprocessor_config={"size": {"height": 64, "width": 64}})


def _stir(model: Any) -> None:
    """Give every weight some noise: what begins as zeros would hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)


def sam3(folder: Path) -> Path:
    """SAM 3 of 56 pixels that takes almost anything for what the text names."""
    from transformers import (
        CLIPTextConfig,
        CLIPTokenizer,
        Sam3Config,
        Sam3TrackerVideoConfig,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VisionConfig,
        Sam3ViTConfig,
    )

    def vision() -> Any:
        backbone = Sam3ViTConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=56,
            patch_size=14,
            window_size=2,
            global_attn_indexes=[1],
            pretrain_image_size=28,
        )
        return Sam3VisionConfig(
            backbone_config=backbone,
            fpn_hidden_size=128,
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        )

    text = CLIPTextConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=16,
        projection_dim=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    small = {"hidden_size": 128, "num_attention_heads": 4}
    detector = Sam3Config(
        vision_config=vision(),
        text_config=text,
        geometry_encoder_config={**small, "num_layers": 1, "intermediate_size": 32},
        detr_encoder_config={**small, "num_layers": 1, "intermediate_size": 32},
        detr_decoder_config={**small, "num_layers": 1, "intermediate_size": 32, "num_queries": 6},
        mask_decoder_config=small,
    )
    tracker = Sam3TrackerVideoConfig(
        vision_config=vision(),
        prompt_encoder_config={**_PROMPTS, "image_size": 56, "patch_size": 14},
        mask_decoder_config=_DECODER,
        memory_attention_feed_forward_hidden_size=32,
        **{**_MEMORY, "image_size": 56, "memory_attention_rope_feat_sizes": [4, 4]},
    )
    config = Sam3VideoConfig(
        detector_config=detector,
        tracker_config=tracker,
        low_res_mask_size=16,
        score_threshold_detection=0.01,
        new_det_thresh=0.01,
        hotstart_delay=0,
        fill_hole_area=2,
        max_num_objects=4,
    )
    with seeded():
        model = Sam3VideoModel(config)
        _stir(model)
        with torch.no_grad():
            model.tracker_model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(9.0)
    save(model, folder, processor_config={"image_processor": {"size": {"height": 56, "width": 56}}})
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{c}</w>" for c in letters)]
    CLIPTokenizer(vocab={w: i for i, w in enumerate(words)}, merges=[]).save_pretrained(folder)
    return folder


_LABELLED: dict[str, Any] = {"id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}}


def detect(folder: Path) -> Path:
    """EoMT of 32 pixels, for instances: pictures keep their shape and are padded to a square."""
    from transformers import EomtConfig, EomtForUniversalSegmentation

    config = EomtConfig(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=32,
        patch_size=8,
        num_blocks=1,
        num_queries=4,
        num_register_tokens=1,
        num_upscale_blocks=1,
        **_LABELLED,
    )
    with seeded():
        model = EomtForUniversalSegmentation(config)
        _stir(model)
        with torch.no_grad():
            model.query.weight.normal_(std=3.0)
            model.class_predictor.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    size = {"shortest_edge": 32, "longest_edge": 32}
    return save(model, folder, preprocessor_config={"size": size, "do_pad": True, "do_split_image": False})


def mask2former(folder: Path) -> Path:
    """Mask2Former on a Swin of one block a stage."""
    from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig

    backbone = SwinConfig(
        image_size=64,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=32,
        num_queries=4,
        **_LABELLED,
    )
    with seeded():
        model = Mask2FormerForUniversalSegmentation(config)
        _stir(model)
        with torch.no_grad():
            model.class_predictor.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    size = {"shortest_edge": 48, "longest_edge": 80}
    return save(model, folder, preprocessor_config={"size": size, "size_divisor": 32})


def rf_detr(folder: Path) -> Path:
    """RF-DETR with its segmentation head."""
    from transformers import RfDetrConfig, RfDetrForInstanceSegmentation
    from transformers.models.rf_detr.configuration_rf_detr import RfDetrDinov2Config

    backbone = RfDetrDinov2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        num_windows=2,
        out_features=["stage1", "stage2"],
    )
    config = RfDetrConfig(
        backbone_config=backbone,
        d_model=16,
        decoder_ffn_dim=16,
        decoder_layers=2,
        decoder_self_attention_heads=2,
        decoder_cross_attention_heads=2,
        decoder_n_points=2,
        num_queries=6,
        group_detr=1,
        intermediate_size=16,
        **_LABELLED,
    )
    with seeded():
        model = RfDetrForInstanceSegmentation(config)
        _stir(model)
        with torch.no_grad():
            model.model.class_embed.bias.copy_(torch.tensor([9.0, -9.0, -9.0][: model.model.class_embed.bias.numel()]))
    return save(model, folder, preprocessor_config={"size": {"height": 56, "width": 56}, "do_pad": True})
