"""Wan 2.1 from a local folder in the diffusers layout, into our own modules.

- ``FOLDER/transformer``: ``config.json``, ``diffusion_pytorch_model*.safetensors``
- ``FOLDER/vae``: ``config.json``, ``diffusion_pytorch_model.safetensors``
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.backbone_folder import read_config, read_tensors
from DosePredictionLib.networks.dose_transformer import DoseTransformer
from DosePredictionLib.networks.wan_autoencoder import WanAutoencoderConfig

TRANSFORMER, AUTOENCODER = "Wan 2.1's transformer", "Wan 2.1's autoencoder"
#: What speaks to the text, which there is none of here.
_TEXT = re.compile(r"blocks\.\d+\.(attn2|norm2)\.|condition_embedder\.(text_embedder|image_embedder)\.|rope\.")
_NAMES = {
    "condition_embedder.time_embedder.linear_1": "time.0",
    "condition_embedder.time_embedder.linear_2": "time.2",
    "condition_embedder.time_proj": "modulation",
}
_BLOCK_NAMES = {
    "attn1.to_q": "attention.query",
    "attn1.to_k": "attention.key",
    "attn1.to_v": "attention.value",
    "attn1.to_out.0": "attention.out",
    "attn1.norm_q": "attention.query_norm",
    "attn1.norm_k": "attention.key_norm",
    "ffn.net.0.proj": "feed_forward.0",
    "ffn.net.2": "feed_forward.2",
}


def wan_system_config(folder: Path) -> dict[str, Any]:
    """The ``system_config`` of DiffKT3D that fits the backbone in a folder.

    Raises:
        InputError: the folder isn't one.
    """
    transformer = read_config(folder / "transformer", TRANSFORMER)
    autoencoder = read_config(folder / "vae", AUTOENCODER)
    try:
        heads = int(transformer["num_attention_heads"])
        return {
            "codec": "wan",
            "codec_config": {k: v for k, v in autoencoder.items() if k in WanAutoencoderConfig.__dataclass_fields__},
            "latent_scale": 1.0,
            "width": heads * int(transformer["attention_head_dim"]),
            "heads": heads,
            "layers": int(transformer["num_layers"]),
            "feed_forward": int(transformer["ffn_dim"]),
            "patch": list(transformer.get("patch_size", [1, 2, 2])),
            "merge": 1,
            "aligned": False,
            "prediction": "velocity",
            "process": "rectified-flow",
            "shift": 3.0,
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder / 'transformer' / 'config.json'} is not that of a WanTransformer3DModel ({error}); choose the "
            "folder of Wan 2.1 in the diffusers layout."
        ) from error


def load_wan(folder: Path, network: AnyToAnyNetwork) -> None:
    """Load transformer and autoencoder into a network of their sizes.

    Every modality's patch embedding and head begins as Wan's own; the role embedding begins at zero.

    Args:
        folder: see the module's beginning.
        network: with a `WanCodec` and a `DoseTransformer`; changed in place.

    Raises:
        InputError: files are missing or damaged, or their sizes are not the network's; the message says which.
    """
    assert isinstance(network.denoiser, DoseTransformer)
    state = transformer_state(read_tensors(folder / "transformer", TRANSFORMER), network.denoiser)
    _load(network.denoiser, state, folder / "transformer", optional=("role",))
    if network.denoiser.role is not None:
        torch.nn.init.zeros_(network.denoiser.role)
    load_wan_autoencoder(folder, network.codec)


def load_wan_autoencoder(folder: Path, codec: torch.nn.Module) -> None:
    """Load the autoencoder alone into a `WanCodec`; see `load_wan`."""
    autoencoder: torch.nn.Module = codec.autoencoder  # type: ignore[assignment]
    _load(autoencoder, read_tensors(folder / "vae", AUTOENCODER), folder / "vae")


def transformer_state(published: dict[str, Tensor], transformer: DoseTransformer) -> dict[str, Tensor]:
    """The tensors of a WanTransformer3DModel under our names; those that speak to the text are left out."""
    state: dict[str, Tensor] = {}
    for key, value in published.items():
        if _TEXT.match(key):
            continue
        name, _, kind = key.rpartition(".")
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
        if key == "scale_shift_table":
            state["table"] = value[0]
        elif key.endswith(".scale_shift_table"):
            state[f"{name}.table"] = value[0]
        elif name == "patch_embedding":
            for modality in transformer.slots:
                state[f"embeddings.{modality}.{kind}"] = value.flatten(1) if kind == "weight" else value
        elif name == "proj_out":
            for modality in transformer.slots:
                state[f"heads.{modality}.{kind}"] = _channels_first(value, transformer.patch)
        elif block is not None and block[2] in _BLOCK_NAMES:
            state[f"blocks.{block[1]}.{_BLOCK_NAMES[block[2]]}.{kind}"] = value
        else:
            state[f"{_NAMES.get(name, name)}.{kind}"] = value
    return state


def _channels_first(value: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """Rows in the order (pz, py, px, channel) brought to (channel, pz, py, px)."""
    return value.unflatten(0, (*patch, -1)).movedim(3, 0).flatten(0, 3)


def _load(module: torch.nn.Module, state: dict[str, Tensor], folder: Path, optional: tuple[str, ...] = ()) -> None:
    wanted = module.state_dict()
    missing = sorted(set(wanted) - set(state) - set(optional))
    unknown = sorted(set(state) - set(wanted))
    if missing or unknown:
        problem = f"{missing[0]} is missing" if missing else f"{unknown[0]} has no place"
        raise InputError(f"The weights in {folder} do not fit the configured backbone: {problem}; {_ADVICE}.")
    for name, value in state.items():
        if value.shape != wanted[name].shape:
            sizes = f"{tuple(value.shape)} instead of {tuple(wanted[name].shape)}"
            raise InputError(f"The weights in {folder} do not fit the configured backbone: {name} is "
                             f"{sizes}; {_ADVICE}.")  # fmt: skip
    module.load_state_dict({**{name: wanted[name] for name in optional if name in wanted}, **state})


_ADVICE = "train with --backbone FOLDER, which takes the sizes from the folder itself"
