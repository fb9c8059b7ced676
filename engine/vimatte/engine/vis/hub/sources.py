"""Weights that lie in repositories of the Hugging Face hub: what there is, and how it gets into the user's cache.

They lie beside the other weights, in `$VIMATTE_WEIGHTS/<name>` or the user's cache folder. Nothing reaches the network
but `pull`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vimatte.engine.errors import BackendError
from vimatte.engine.hub import fetch_from_hub
from vimatte.engine.weights import cache, file_sha256

__all__ = ["HUB", "INSTALL", "HubSet", "hub_folder", "hub_set", "is_here", "pull_hub"]

INSTALL = "pip install 'vimatte[transformers]'"
_KEPT = ("*.json", "*.safetensors", "*.txt", "*.model", "README.md", "LICENSE*")
_RECORD = "vimatte_source.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSet:
    """A checkpoint that one people finder takes, and what a user must know before using it."""

    name: str
    purpose: str
    """What it does, in a few words."""
    repository: str
    """`owner/name` on the hub."""
    revision: str = "main"
    """Branch, tag or commit; what a branch meant when it was fetched is written beside the files."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """File name -> sha256, where known; other files are taken as the hub gives them."""
    licence: str
    """SPDX identifier, or the licence's own name; the model card in the repository decides."""
    training: str
    """What it was trained on, as far as the authors say."""
    others: tuple[str, ...] = ()
    """Repositories of larger or smaller siblings, for --weights."""

    @property
    def source(self) -> str:
        """Where the authors publish it."""
        return f"https://huggingface.co/{self.repository}"


HUB: Mapping[str, HubSet] = {
    one.name: one
    for one in (
        HubSet(
            name="detect",
            purpose="segments people on single frames (EoMT; Mask2Former and RF-DETR-seg fit too)",
            repository="tue-mps/coco_instance_eomt_large_640",
            licence="MIT",
            training="COCO instances on a DINOv2 backbone",
            others=("facebook/mask2former-swin-small-coco-instance",),
        ),
        HubSet(
            name="edgetam",
            purpose="follows given masks, boxes and clicks, small and quick",
            repository="yonigozlan/EdgeTAM-hf",
            licence="Apache-2.0",
            training="SA-V and SA-1B",
        ),
        HubSet(
            name="sam2",
            purpose="follows given masks, boxes and clicks",
            repository="facebook/sam2.1-hiera-small",
            licence="Apache-2.0",
            training="SA-V and SA-1B",
            others=(
                "facebook/sam2.1-hiera-tiny",
                "facebook/sam2.1-hiera-base-plus",
                "facebook/sam2.1-hiera-large",
            ),
        ),
        HubSet(
            name="sam3",
            purpose="finds and follows every instance of what a text names",
            repository="facebook/sam3",
            licence="SAM License (Meta's own; access must be asked for on the hub)",
            training="SA-Co and SA-V",
        ),
        HubSet(
            name="videomt",
            purpose="finds and follows people in one network (VidEoMT on DINOv2)",
            repository="tue-mps/videomt-dinov2-small-ytvis2019",
            licence="MIT (code; see the model card for the weights)",
            training="YouTube-VIS 2019 on a DINOv2 backbone",
            others=(
                "tue-mps/videomt-dinov2-base-ytvis2019",
                "tue-mps/videomt-dinov2-large-ytvis2019",
                "tue-mps/videomt-dinov2-large-ovis",
            ),
        ),
    )
}


def hub_set(name: str) -> HubSet:
    """Look up a checkpoint. Raises BackendError listing what there is."""
    try:
        return HUB[name]
    except KeyError:
        raise BackendError(f"There are no hub weights '{name}'; there are: {', '.join(sorted(HUB))}.") from None


def hub_folder(name: str) -> Path:
    """Where a checkpoint lies: `$VIMATTE_WEIGHTS/<name>`, or the user's cache folder."""
    return cache() / hub_set(name).name


def is_here(name: str) -> bool:
    """Whether a checkpoint lies in the cache."""
    place = hub_folder(name)
    return (place / "config.json").is_file() and any(place.glob("*.safetensors"))


def pull_hub(name: str) -> Path:
    """Fetch a checkpoint into the cache and return its folder; nothing half-written is ever left in place.

    Raises BackendError in one sentence: package missing, offline, access refused, no such repository, wrong content.
    """
    wanted, place = hub_set(name), hub_folder(name)
    by_hand = (
        f"download the files of {wanted.source} on another machine and either copy them to {place} "
        f"or name their folder with --weights"
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=place.parent) as temp:
            got = Path(temp) / name
            commit = fetch_from_hub(
                wanted.repository,
                revision=wanted.revision,
                into=got,
                kept=_KEPT,
                name=name,
                by_hand=by_hand,
                install=INSTALL,
            )
            _check(got, wanted)
            record = {"repository": wanted.repository, "commit": commit, "licence": wanted.licence}
            (got / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
            _swap(got, place, Path(temp) / "old")
    except OSError as error:
        raise BackendError(
            f"The weights '{name}' cannot be written to {place} ({error.strerror}); "
            f"set VIMATTE_WEIGHTS to a folder that can be written."
        ) from error
    return place


def _check(folder: Path, wanted: HubSet) -> None:
    for file, sha256 in wanted.sha256.items():
        if not (folder / file).is_file() or file_sha256(folder / file) != sha256:
            raise BackendError(
                f"{file} of {wanted.repository} is missing or has another sha256 than {sha256[:12]}…; "
                f"it was not put in place."
            )
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise BackendError(f"{wanted.repository} holds no config.json with *.safetensors; nothing was put in place.")


def _swap(new: Path, place: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    new.rename(place)
