"""The names of the networks of `baselines`, known without MONAI, which takes its time to import."""

from __future__ import annotations

from typing import Literal

Architecture = Literal["unet", "pix2pix", "deeplabv3plus", "dosenet"]
