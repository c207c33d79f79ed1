"""Networks that predict a dose in one pass, for comparison with diffusion: those of table 2 of ADDiff-Dose.

From MONAI where it has them. All take (N, C, Z, Y, X) with sizes that are multiples of 16, and give (N, 1, Z, Y, X).
"""

from __future__ import annotations

from typing import get_args

import torch
import torch.nn.functional as functional
from einops import rearrange
from monai.networks.blocks.aspp import SimpleASPP
from monai.networks.nets import PatchDiscriminator, SegResNet, UNet
from monai.networks.nets.resnet import ResNetFeatures
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.baseline_names import Architecture

SIZE_MULTIPLE = 16


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ (Chen et al., ECCV 2018) in 2.5D: each axial slice with its neighbours as channels.

    A ResNet up to stride 16, atrous spatial pyramid pooling (both MONAI's), and the decoder that joins its result with
    the features at stride 4.

    Args:
        conditions: channels of a slice.
        neighbours: slices on each side.
        backbone: MONAI's name of the ResNet.
    """

    def __init__(self, conditions: int, neighbours: int = 1, backbone: str = "resnet10") -> None:
        super().__init__()
        self.neighbours = neighbours
        channels = conditions * (2 * neighbours + 1)
        self.encoder = ResNetFeatures(backbone, pretrained=False, spatial_dims=2, in_channels=channels)
        self.encoder.layer4 = nn.Sequential()  # nothing: stride 32, which DeepLabV3+ does without
        self.pyramid = SimpleASPP(2, 256, 64)
        self.low_level = nn.Sequential(nn.Conv2d(64, 48, 1), nn.BatchNorm2d(48), nn.ReLU())
        self.decoder = nn.Sequential(
            nn.Conv2d(256 + 48, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 1, 1),
        )  # fmt: skip

    def forward(self, conditions: Tensor) -> Tensor:
        """(N, C, Z, Y, X) to (N, 1, Z, Y, X); Y and X are multiples of 16."""
        reach = self.neighbours
        padded = functional.pad(conditions, (0, 0, 0, 0, reach, reach))
        slices = padded.unfold(2, 2 * reach + 1, 1)  # (N, C, Z, Y, X, 2 reach + 1)
        features = self.encoder(rearrange(slices, "n c z y x k -> (n z) (k c) y x"))
        low, deep = features[1], self.pyramid(features[3])
        deep = functional.interpolate(deep, low.shape[2:], mode="bilinear", align_corners=False)
        said = self.decoder(torch.cat([deep, self.low_level(low)], dim=1))
        said = functional.interpolate(said, conditions.shape[3:], mode="bilinear", align_corners=False)
        return rearrange(said, "(n z) c y x -> n c z y x", n=len(conditions))


def baseline_network(architecture: Architecture, conditions: int, width: int) -> nn.Module:
    """The network that predicts.

    - ``unet``: 3D U-Net with residual units (Çiçek et al., 2016), four levels.
    - ``pix2pix``: the same as a generator; what a discriminator adds is in its training (Isola et al., CVPR 2017).
    - ``deeplabv3plus``: see `DeepLabV3Plus`.
    - ``dosenet``: DoseNet (Kearney et al., Phys. Med. Biol. 63, 2018) is a fully convolutional volumetric network of
      residual blocks with strided convolutions; MONAI's SegResNet (Myronenko, 2018) is such a one, with instance norm.

    Args:
        architecture: which.
        conditions: input channels.
        width: channels of the finest level (of the volumetric ones).

    Raises:
        InputError: there is no such architecture.
    """
    widths = (width, 2 * width, 4 * width, 8 * width)
    if architecture in ("unet", "pix2pix"):
        return UNet(spatial_dims=3, in_channels=conditions, out_channels=1, channels=widths, strides=(2, 2, 2),
                    num_res_units=1)  # fmt: skip
    if architecture == "dosenet":
        return SegResNet(spatial_dims=3, init_filters=width, in_channels=conditions, out_channels=1, norm="instance")
    if architecture == "deeplabv3plus":
        return DeepLabV3Plus(conditions)
    raise InputError(f"There is no baseline {architecture!r}; choose one of {', '.join(get_args(Architecture))}.")


def discriminator(conditions: int, width: int) -> PatchDiscriminator:
    """pix2pix's discriminator of patches, of the dose beside its conditions."""
    return PatchDiscriminator(
        spatial_dims=3, channels=width, in_channels=conditions + 1, num_layers_d=3, norm="INSTANCE"
    )
