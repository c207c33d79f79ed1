"""A U-Net's level at full resolution, beside a network whose levels begin at half of it."""

from __future__ import annotations

from torch import Tensor, nn

from DosePredictionLib.networks.blocks import NORMS, ResidualBlock, activation, start_at_zero, unrounded


class FineLevel(nn.Module):
    """One residual block on the way down and one on the way up, for every voxel.

    What it adds begins as nothing, so that it can be put beside a trained network, which then predicts what it did.

    Args:
        inputs: channels of what the network sees.
        width: channels of the level.
        below: channels of the network's finest level, at half the resolution.
        embedding: length of the time embedding.
        norm: one of `NORMS`.
        dropout: see `ResidualBlock`.
    """

    def __init__(self, inputs: int, width: int, below: int, embedding: int, norm: str, dropout: float) -> None:
        super().__init__()
        self.stem = nn.Conv3d(inputs, width, 3, padding=1)
        self.encoder = ResidualBlock(width, width, embedding, norm, dropout)
        self.downsample = nn.Conv3d(width, below, 2, stride=2)
        self.upsample = nn.ConvTranspose3d(below, width, 2, stride=2)
        self.decoder = ResidualBlock(width, width, embedding, norm, dropout)
        self.norm = NORMS[norm](width, embedding)
        self.head = nn.Conv3d(width, 1, 3, padding=1)
        start_at_zero(self.downsample)
        start_at_zero(self.head)

    def down(self, shown: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The level's features, and what they add to the stem's.

        Args:
            shown: (N, inputs, Z, Y, X), what the network sees.
            embedding: (N, embedding) of the time.

        Returns:
            (N, width, Z, Y, X) and (N, below, Z/2, Y/2, X/2).
        """
        features = self.encoder(self.stem(shown), embedding)
        return features, self.downsample(features)

    def up(self, features: Tensor, x: Tensor, embedding: Tensor) -> Tensor:
        """What is added to the dose, (N, 1, Z, Y, X).

        Args:
            features: (N, width, Z, Y, X), see `down`.
            x: (N, below, Z/2, Y/2, X/2), the network's last features.
            embedding: (N, embedding) of the time.
        """
        features = self.decoder(features + self.upsample(x), embedding)
        return unrounded(self.head, activation(self.norm(features, embedding)))
