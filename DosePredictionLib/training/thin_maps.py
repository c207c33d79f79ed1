"""Convolutions of maps with few layers, whose bfloat16 gradients PyTorch computes wrongly on processors."""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.utils import parametrize


def thicken_thin_maps(network: nn.Module) -> None:
    """Have a network's 3D convolutions see maps that are at least as deep as their kernels while it is trained.

    In bfloat16 on processors, oneDNN, which PyTorch computes with there, gives a wrong gradient of the weights of a
    convolution whose kernel is deeper than its map, unless the map has a single layer (seen in PyTorch 2.13 with
    AVX-512): memory that nothing was written to enters it, so that it is not a number now and then, and looks like any
    other otherwise. A U-Net of four levels has such maps of patients of up to 32 slices. With zeros behind the map,
    which the convolution pads with anyway, and the result cut to its length, numbers are the same and gradients right.

    Args:
        network: whose convolutions (but not those of subclasses, which may pad by themselves) are changed in place,
            those with low-rank changes of their weights, too; the parameters and their names stay as they are.
    """
    for module in network.modules():
        if not isinstance(module, nn.Conv3d) or parametrize.type_before_parametrizations(module) is not nn.Conv3d:
            continue
        if _keeps_depth(module):
            own = type(module)  # of changed weights, a class of the layer's own, which knows how to come by them
            module.__class__ = ThickenedConv3d if own is nn.Conv3d else type(own.__name__, (own, ThickenedConv3d), {})


class ThickenedConv3d(nn.Conv3d):
    """A convolution that keeps its map's depth, and sees the map with zeros behind it where its kernel is deeper."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, Z, Y, X), or without N, to the same sizes as ever."""
        depth = x.shape[-3]
        if not self.training or not 1 < depth < self.kernel_size[0]:
            return super().forward(x)
        thickened = functional.pad(x, (0, 0, 0, 0, 0, self.kernel_size[0] - depth))
        return super().forward(thickened).narrow(-3, 0, depth)


def _keeps_depth(layer: nn.Conv3d) -> bool:
    """Whether the result is as deep as the map, by zeros at both of its ends."""
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        return False
    depth = layer.kernel_size[0]
    return layer.stride[0] == layer.dilation[0] == 1 and depth > 1 and depth % 2 == 1 and layer.padding[0] == depth // 2
