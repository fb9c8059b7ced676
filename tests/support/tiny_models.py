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
