"""Weights files: safetensors whose header says what the weights are, what they were trained on and how well they do."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from DosePredictionLib.conditioning.channels import CHANNELS, MORE_CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.eight_bits import SCALE, from_eight_bits, is_packed, to_eight_bits
from DosePredictionLib.inference.weights_header import FORMAT, WeightsHeader, companion_path, header_from_json
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.systems.system import System
from DosePredictionLib.whole_file import whole_file

#: The largest number of half precision.
LARGEST_HALF = torch.finfo(torch.float16).max
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class LoadedWeights:
    """A network ready to predict, and where it came from.

    Attributes:
        system: whose weights they are.
        network: on the processor, in evaluation mode, float32.
        header: see `WeightsHeader`.
        path: the file.
        sha256: of the whole file.
        companions: the other members of their ensemble, if they belong to one (`WeightsHeader.companions`).
    """

    system: System
    network: nn.Module
    header: WeightsHeader
    path: Path
    sha256: str
    companions: tuple[LoadedWeights, ...] = ()


def save_weights(state: dict[str, Tensor], header: WeightsHeader, path: str | Path, bits: int = 16) -> None:
    """Write weights in half precision or in ``bits`` = 8 (`eight_bits`); the file appears whole or not at all.

    The same weights with the same header are the same file to the last byte, by whose sha256 others know it.

    Raises:
        InputError: a weight is no number, or one beyond half precision; nothing is written.
    """
    from safetensors.torch import save

    packed = to_eight_bits(state) if bits == 8 else state
    stored = {name: _stored(name, value.detach().cpu()) for name, value in packed.items()}
    _check_finite(stored, packed, path)
    described = json.dumps(asdict(header), sort_keys=True)
    metadata = {"format": FORMAT, "header": described, "sha256": _checksum(stored, described)}
    with whole_file(path) as temporary:
        # Not by safetensors' own file: version 0.8 keeps that to the user, and a clinic's weights are shared.
        temporary.write_bytes(save(stored, metadata=metadata))
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Sort the metadata of a safetensors file, which safetensors writes in an order that differs from time to time."""
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        head = json.loads(file.read(length))
        head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:  # as long as it was, but for the spaces that fill it up
            file.seek(8)
            file.write(text.ljust(length))


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds.

    Attributes:
        state: parameters by name.
        header: see `WeightsHeader`.
        sha256: of the whole file.
        bits: 16, or 8 where weights were packed; written with as many again, they are the same.
    """

    state: dict[str, Tensor]
    header: WeightsHeader
    sha256: str
    bits: int = 16


def load_weights(path: str | Path) -> LoadedWeights:
    """Read a weights file, check it to the last byte, and build its network; and those of its companions.

    Raises:
        InputError: the file is missing, damaged, not ours, a newer version's, or made for other channels than this
            version makes; or a companion is, or is another file than the weights were released with.
    """
    path = Path(path)
    file = read_weights(path)
    system = system_from_config(file.header.system, file.header.config)
    network = fill_network(system.build_network(), file, path)
    companions = tuple(_load_companion(told, path, system) for told in file.header.companions)
    return LoadedWeights(system, network, file.header, path, file.sha256, companions)


def _load_companion(told: dict[str, str], path: Path, system: System) -> LoadedWeights:
    """A companion of the weights at ``path``."""
    companion = companion_path(told["name"], path)
    loaded = load_weights(companion)
    if loaded.sha256 != told["sha256"]:
        raise InputError(
            f"{companion} is not the file that {path.name} was released with (its sha256 begins with "
            f"{loaded.sha256[:8]} instead of {told['sha256'][:8]}); put that file beside the weights."
        )
    if not set(loaded.system.channels) <= set(system.channels):
        raise InputError(f"{companion} needs channels that {path} does not; these two can't sample together.")
    return loaded


def read_weights(path: str | Path) -> WeightsFile:
    """Read a weights file and check it to the last byte.

    Raises:
        InputError: the file is missing, damaged, not ours, a newer version's, or made for other channels than this
            version makes.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}; give the path of a .safetensors file.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, OSError) as error:
        raise InputError(f"The weights file {path} is damaged or not safetensors ({error}); fetch it again.") from error
    described = metadata.get("header", "")
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} is not a weights file of DosePrediction; choose one made by its train command.")
    if metadata.get("sha256") != _checksum(state, described):
        raise InputError(f"The weights file {path} is damaged: its content and its checksum differ; fetch it again.")
    header = header_from_json(described, path)
    _check_channels(header, path)
    bits = 8 if is_packed(state) else 16
    return WeightsFile(from_eight_bits(state), header, hashlib.sha256(path.read_bytes()).hexdigest(), bits)


def fill_network(network: Network, file: WeightsFile, path: Path) -> Network:
    """The network with a file's weights in it, in evaluation mode.

    Raises:
        InputError: they don't fit.
    """
    try:
        network.load_state_dict({name: value.float() for name, value in file.state.items()})
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        if len(problem) > 160:
            problem = f"{problem[:160].rsplit(',', 1)[0]} and others (is it an earlier stage of its system?)"
        raise InputError(f"The weights in {path} do not fit the network they name: {problem}") from error
    return network.eval()


def _check_channels(header: WeightsHeader, path: Path) -> None:
    wanted = [str(name) for name in header.config.get("channels", [])]  # type: ignore[attr-defined]
    unknown = [name for name in wanted if name not in CHANNELS and name not in MORE_CHANNELS]
    if unknown or not wanted:
        raise InputError(
            f"The weights {path} were trained on channels that this version does not make "
            f"({', '.join(unknown) or 'none are named'}); it makes {', '.join(CHANNELS)}. Use their own version."
        )


def _stored(name: str, value: Tensor) -> Tensor:
    # Scales keep their precision: rounded, they would change a whole row of a matrix. Counts (of a batch norm's
    # batches) go on beyond half precision.
    kept = not value.is_floating_point() or name.endswith(SCALE)
    return (value if kept else value.to(torch.float16)).contiguous()


def _check_finite(stored: dict[str, Tensor], exact: dict[str, Tensor], path: str | Path) -> None:
    for name, value in stored.items():
        lost = ~torch.isfinite(value)
        if lost.any():
            raise InputError(
                f"The weights file {path} is not written: {name} holds {exact[name].detach().cpu()[lost][0].item():g}, "
                f"and half precision ends at {LARGEST_HALF:g}; train again with a lower learning_rate."
            )


def _checksum(state: dict[str, Tensor], described: str) -> str:
    digest = hashlib.sha256(described.encode())
    for name in sorted(state):
        value = state[name]
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
