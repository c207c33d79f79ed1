"""What an earlier stage of a system's training left for the next one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.eight_bits import from_eight_bits
from DosePredictionLib.inference.weights_header import FORMAT


def earlier_weights(path: str | Path, system: str, prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The part of a weights file whose names begin with ``prefix``, without it, in float32; and the system's fields.

    Args:
        path: ``weights.safetensors`` of the earlier stage, or of the whole system.
        system: whose they must be.
        prefix: such as ``"ct_encoder."``.

    Raises:
        InputError: the file is missing, damaged, another system's, or has no such part.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path} of an earlier stage (from_weights); train that stage first.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = from_eight_bits({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no dict)
            part = {
                name.removeprefix(prefix): value.float() for name, value in state.items() if name.startswith(prefix)
            }
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"The weights file {path} is damaged or not safetensors ({error}); train it again.") from error
    header = json.loads(metadata.get("header", "{}")) if metadata.get("format") == FORMAT else {}
    if header.get("system") != system or not part:
        raise InputError(
            f"{path} holds no {prefix.rstrip('.')} of system {system!r}; give the weights of its earlier stage."
        )
    return part, header.get("config", {})
