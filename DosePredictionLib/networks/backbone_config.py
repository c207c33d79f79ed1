"""Which backbone a folder holds, and the configuration of DiffKT3D that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks import maisi_files
from DosePredictionLib.networks.wan_files import wan_system_config

#: What the weights settle. The rest (how noise is drawn, what is hidden ...) is the run's choice.
SETTLED = (
    "codec", "codec_config", "width", "heads", "layers", "feed_forward", "patch", "merge", "aligned",
)  # fmt: skip
WAN_FILES = (
    "transformer/config.json, transformer/diffusion_pytorch_model*.safetensors, vae/config.json and "
    "vae/diffusion_pytorch_model.safetensors"
)
#: MAISI's checkpoints say nothing of their sizes: these are the published ones.
MAISI_CONFIG: dict[str, Any] = {
    "codec": "maisi", "backbone": "maisi", "prediction": "velocity", "process": "rectified-flow", "shift": 1.0,
}  # fmt: skip


def backbone_config(folder: Path, told: Mapping[str, Any]) -> dict[str, Any]:
    """The ``system_config`` of DiffKT3D for the backbone in a folder.

    Args:
        folder: Wan 2.1 in the layout of diffusers, or MAISI's published checkpoints.
        told: a ``system_config``; what the weights settle is overruled, but for sizes of MAISI's, which its checkpoints
            don't tell.

    Raises:
        InputError: there is neither; the message says what belongs where.
    """
    if (folder / "transformer").is_dir() or (folder / "vae").is_dir():
        own = wan_system_config(folder)
        return {**own, **told, **{name: own[name] for name in SETTLED if name in own}, "backbone": "transformer"}
    if any(list(folder.glob(pattern)) for pattern in (maisi_files.AUTOENCODER, maisi_files.UNET)):
        return {**MAISI_CONFIG, **told, "codec": "maisi", "backbone": "maisi"}
    raise InputError(
        f"{folder} holds no backbone; put there either Wan 2.1 in the diffusers layout ({WAN_FILES}) or MAISI's "
        f"published checkpoints ({maisi_files.AUTOENCODER} and {maisi_files.UNET})."
    )
