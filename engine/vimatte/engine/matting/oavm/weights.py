"""Weights of OAVM in memory: into the whole network, or ImageNet's into its backbone.

The layout is ours, as nobody published one; the first part of a key is the part of the network:

| keys | what |
|---|---|
| `backbone.*` | torchvision's own: `features.N.…` (MobileNetV3-Large), or `conv1 bn1 layer1 … layer4` (ResNet-50) |
| `matching.{reduce,query,key,value,foreground,far,near,norm}.*` | section 3.1; `foreground` is FE of equation 2 |
| `objects.queries`, `objects.pixels.*`, `objects.layers.N.*` | section 3.2: q, pixel decoder, transformer decoder |
| `objects.{norm,classify,embed,per_pixel}.*` | section 3.4: what the queries say the objects are |
| `correction.foreground`, `correction.{look,recall,refine,forward_layers}*` | section 3.3; E_fb of equation 5 |
| `recall.*` | in place of `correction.*` where queries are used without correction (Table 4, second row) |
| `decoder.stages.N.*`, `decoder.{alpha,mask}.*` | matting decoder, coarsest stage first |
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vimatte.engine.checkpoints.fit import fit
from vimatte.engine.errors import BackendError
from vimatte.engine.matting.oavm.network import OavmNetwork

__all__ = ["load_backbone", "load_network"]

_HEADS = ("classifier.", "fc.")
"""What torchvision's files hold for ImageNet's classes."""


def load_network(network: OavmNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Put weights into a network. Raises BackendError unless every key and shape fits."""
    differs = fit(tensors, network.state_dict())
    if not differs.whole:
        raise BackendError(
            f"The weights do not fit OAVM with {network.config} ({differs}); build the network with the OavmConfig it "
            f"was trained with, or type: vimatte weights import oavm FILE"
        )
    network.load_state_dict(dict(tensors))


def load_backbone(network: OavmNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Put torchvision's ImageNet weights of the same backbone into a network; the classifier's are left out.

    Files from before PyTorch 1.0 do not count batches; the counts are not used. Raises BackendError.
    """
    own = network.backbone.state_dict()
    counts = {key: own[key] for key in own if key.endswith("num_batches_tracked")}
    given = {**counts, **{key: value for key, value in tensors.items() if not key.startswith(_HEADS)}}
    differs = fit(given, own)
    if not differs.whole:
        raise BackendError(
            f"The weights are not torchvision's of {network.config.backbone} ({differs}); give the state dict of that "
            f"file, or choose the other backbone in OavmConfig."
        )
    network.backbone.load_state_dict(given)
