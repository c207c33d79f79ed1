"""MAISI from a local folder with the published checkpoints.

- ``FOLDER/autoencoder*.pt``: the autoencoder's state, by itself or as "unet_state_dict"
- ``FOLDER/diff_unet*.pt``: the U-Net's state as "unet_state_dict", with the latents' "scale_factor"
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.maisi_unet import MaisiDenoiser

AUTOENCODER, UNET = "autoencoder*.pt", "diff_unet*.pt"
_WIDENED = "conv_in.conv.weight"


def load_maisi(folder: Path, network: AnyToAnyNetwork) -> None:
    """Load the autoencoder and, where the network's denoiser is MAISI's, the U-Net.

    Args:
        folder: see the module's beginning.
        network: with a `MaisiCodec`; changed in place.

    Raises:
        InputError: files are missing or damaged, or their sizes are not the network's; the message says which.
    """
    load_maisi_autoencoder(folder, network.codec)
    if not isinstance(network.denoiser, MaisiDenoiser):
        return
    path = _one(folder, UNET)
    content = _read(path)
    state = _tensors(content)
    wanted = network.denoiser.unet.state_dict()[_WIDENED]
    given = state.get(_WIDENED)
    if given is not None and given.shape[1] == network.denoiser.length and given.shape[0] == wanted.shape[0]:
        widened = torch.zeros_like(wanted)
        widened[:, : given.shape[1]] = given
        state[_WIDENED] = widened
    _load(network.denoiser.unet, state, path)
    factor: Tensor = network.codec.factor  # type: ignore[assignment]
    factor.fill_(float(content.get("scale_factor", 1.0)))


def load_maisi_autoencoder(folder: Path, codec: nn.Module) -> None:
    """Load the autoencoder alone into a `MaisiCodec`; see `load_maisi`."""
    path = _one(folder, AUTOENCODER)
    autoencoder: nn.Module = codec.autoencoder  # type: ignore[assignment]
    _load(autoencoder, _tensors(_read(path)), path)


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern)) if folder.is_dir() else []
    if not found:
        raise InputError(
            f"MAISI was looked for in {folder}, but there is no {pattern}; put the published {AUTOENCODER} and "
            f"{UNET} there."
        )
    return found[-1]


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint's content; only tensors and plain values are unpickled."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is damaged or no checkpoint of tensors; fetch it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no weights by name; fetch it again.")
    return content


def _tensors(content: dict[str, Any]) -> dict[str, Tensor]:
    state = content.get("unet_state_dict", content)
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}


def _load(module: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(
            f"The weights {path} do not fit the configured backbone ({problem}); set codec_config and "
            "backbone_config to their sizes."
        ) from error
