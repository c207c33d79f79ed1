"""Weights in the folder layout of diffusers: ``config.json`` beside safetensors, in one file or in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model"


def read_config(folder: Path, what: str) -> dict[str, Any]:
    """A folder's ``config.json``.

    Args:
        folder: of one model.
        what: the model, for the message.

    Raises:
        InputError: it isn't there or isn't JSON.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise InputError(
            f"{what} was looked for in {folder}, but there is no {CONFIG}; put the published folder there, with "
            f"{CONFIG} and {WEIGHTS}.safetensors (or its shards and {WEIGHTS}.safetensors.index.json)."
        )
    content = read_json(path, f"the configuration of {what}")
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no configuration; fetch it again.")
    return content


def read_tensors(folder: Path, what: str) -> dict[str, Tensor]:
    """All tensors of a folder's safetensors.

    Raises:
        InputError: files are missing or damaged; the message names them.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / f"{WEIGHTS}.safetensors.index.json"
    whole = folder / f"{WEIGHTS}.safetensors"
    if index.exists():
        try:
            files = sorted(set(read_json(index, "an index of shards")["weight_map"].values()))
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{index} is no index of shards; fetch it again.") from error
        paths = [folder / str(name) for name in files]
    else:
        paths = [whole]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"{what} was looked for in {folder}, but {', '.join(missing)} is missing; put it there.")
    state: dict[str, Tensor] = {}
    try:
        for path in paths:
            state.update(load_file(path))
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"{path} is damaged or not safetensors ({error}); fetch it again.") from error
    return state
