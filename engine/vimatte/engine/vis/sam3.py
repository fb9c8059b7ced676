"""The `sam3` people finder: every instance of what a text names, found and followed by SAM 3.

"SAM 3: Segment Anything with Concepts" (Meta, 2025): a detector looks at every frame for the text, a tracker with a
memory carries what was found, and the two correct each other. Frames stream through once, forwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from vimatte.engine.errors import BackendError, ConfigError
from vimatte.engine.events import Progress
from vimatte.engine.masks import Rle
from vimatte.engine.shot import Shot
from vimatte.engine.vis import propagate
from vimatte.engine.vis.backend import KeyMasks, Tracking, VisOptions
from vimatte.engine.vis.hub.checkpoint import (
    Checkpoint,
    find_checkpoint,
    load_model,
    on_device,
    quiet,
    require_transformers,
)
from vimatte.engine.vis.hub.people import Found, apart, finish, in_order, lasting
from vimatte.engine.vis.hub.pictures import Preparation, read_preparation
from vimatte.engine.vis.hub.sam3_kernels import LocalKernels
from vimatte.engine.vis.hub.streamed import Streamed

__all__ = ["Sam3"]

_SETTINGS: Mapping[str, str | int | float] = {"finder": "sam3 1", "memories_kept": 8}
_TYPES = {"sam3_video": "Sam3VideoModel"}
_WORDS = 32
"""Length of a text in tokens that SAM 3 was trained with."""


class Sam3:
    """Finds and follows what a text names with a SAM 3 checkpoint of transformers."""

    name: ClassVar[str] = "sam3"

    def __init__(self) -> None:
        """Raises BackendError when transformers is not installed."""
        require_transformers(self.name)

    @property
    def settings(self) -> Mapping[str, str | int | float]:
        """Parameters; the weights are in `checkpoint`."""
        return {**_SETTINGS, **propagate.SETTINGS}

    def checkpoint(self, options: VisOptions) -> Checkpoint:
        """The weights these options choose. Raises BackendError saying what to type."""
        return find_checkpoint(self.name, options.weights, types=_TYPES)

    def track(self, shot: Shot, *, keys: KeyMasks | None, options: VisOptions) -> Tracking:
        """Find and follow what `options.prompt` names ('person' without it; several with commas between).

        The artist's masks win over what is found.
        """
        checkpoint = self.checkpoint(options)
        texts = [t.strip() for t in (options.prompt or "person").split(",") if t.strip()]
        if not texts:
            raise ConfigError("--prompt says nothing; name what to find, for instance --prompt 'red car'.")
        model = load_model(checkpoint, architecture=_TYPES[checkpoint.model_type], device=options.device)
        side = model.config.image_size
        high, wide = (side, side) if isinstance(side, int) else side
        fallback = Preparation(size={"height": high, "width": wide}, mean=(0.5,) * 3, std=(0.5,) * 3)
        prepare = read_preparation(checkpoint.folder, fallback=fallback)
        session = _session(checkpoint, shot, texts, options.device)
        numbers = shot.frames.numbers
        masks: dict[int, dict[int, Rle]] = {}
        scores: dict[int, float] = {}
        labels: dict[int, str] = {}
        gone: set[int] = set()
        pictures = shot.pictures(numbers)
        try:
            for at, (number, picture) in enumerate(pictures):
                prepared = prepare(picture)
                with on_device(options.device), quiet():
                    session.add_new_frame(prepared.values.to(options.device), at)
                    out = model(session, frame_idx=at)
                    session.processed_frames.pop(at, None)
                    _forget(session, at, model.tracker_model.config)
                    hidden = {int(i) for i in out.suppressed_obj_ids or ()}
                    gone |= {int(i) for i in out.removed_obj_ids or ()}
                    ids = [i for i in sorted(out.obj_id_to_mask) if i not in hidden and i not in gone]
                    if ids:
                        logits = torch.cat([out.obj_id_to_mask[i] for i in ids])
                        soft = prepare.back(logits, prepared=prepared, height=shot.info.height, width=shot.info.width)
                        for one, mask in zip(ids, apart(soft), strict=True):
                            if mask.any():
                                masks.setdefault(one, {})[number] = Rle.encode(mask)
                            scores[one] = max(scores.get(one, 0.0), float(out.obj_id_to_score.get(one, 0.0)))
                            labels[one] = texts[session.obj_id_to_prompt_id.get(one, 0)]
                yield Progress(phase="find", done=at + 1, total=len(numbers), detail=f"{len(ids)} found")
        finally:
            pictures.close()
        found = [
            Found({n: by.get(n) for n in numbers}, scores[one], label=labels[one])
            for one, by in sorted(masks.items())
            if one not in gone
        ]
        kept = in_order(lasting(found, shot=shot, options=options), shot=shot)
        source = {"backend": self.name, **self.settings, "prompt": ", ".join(texts), "weights": checkpoint.digest}
        return (yield from finish(shot, found=kept, keys=keys, label=texts[0], source=source))


def _session(checkpoint: Checkpoint, shot: Shot, texts: list[str], device: str) -> Any:
    """An empty session that knows the texts."""
    with quiet():
        import transformers
        from transformers.models.sam3_video import modeling_sam3_video

        library: Any = modeling_sam3_video
        library.cv_utils_kernel = LocalKernels()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise BackendError(
                f"{checkpoint.folder} holds no tokenizer that can be read (tokenizer.json, tokenizer_config.json); "
                f"type: vimatte weights pull sam3"
            ) from error
        session = transformers.Sam3VideoInferenceSession(
            video_height=shot.info.height,
            video_width=shot.info.width,
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=torch.float32,
        )
        for text in texts:
            number = session.add_prompt(text)
            words = tokenizer(text, return_tensors="pt", padding="max_length", max_length=_WORDS, truncation=True)
            session.prompt_input_ids[number] = words.input_ids.to(device)
            session.prompt_attention_masks[number] = words.attention_mask.to(device)
    session.processed_frames = Streamed(len(shot.frames))
    return session


def _forget(session: Any, at: int, config: Any) -> None:
    """Let go of memories that no later frame looks at, so that a long shot needs no more than a short one."""
    reach = max(int(config.num_maskmem), int(config.max_object_pointers_in_encoder)) + 1
    for outputs in session.output_dict_per_obj.values():
        recent = outputs["non_cond_frame_outputs"]
        for place in [p for p in recent if p < at - reach]:
            del recent[place]
        shown = outputs["cond_frame_outputs"]
        places = sorted(shown)
        for place in places[1 : -int(_SETTINGS["memories_kept"])]:
            del shown[place]
    frame_wise = session.obj_id_to_tracker_score_frame_wise
    for place in [p for p in frame_wise if p < at - reach]:
        del frame_wise[place]
