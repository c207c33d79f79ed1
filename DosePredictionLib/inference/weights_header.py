"""What a weights file says of itself, read without torch."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field, fields
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.resources import resource_root

FORMAT = "DosePrediction weights 1"
#: Safetensors begins with the length of its JSON header; a longer one is damage.
LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says of itself.

    Attributes:
        system: name of the system.
        config: the system's fields, the channel list among them.
        training: what they were trained on: data, patients, steps, hours, hardware, seed.
        validation: figures on named data.
        commit: of the source they were trained with.
        recommended: samples and steps that the figures hold for.
        uncertainty: fields of `UncertaintyCalibration` for these samples and steps; empty when not calibrated.
        companions: file name and sha256 of weights that draw every other sample: an ensemble, whose members err
            differently.
    """

    system: str
    config: dict[str, object]
    training: dict[str, object] = field(default_factory=dict)
    validation: dict[str, object] = field(default_factory=dict)
    commit: str = ""
    recommended: dict[str, int] = field(default_factory=dict)
    uncertainty: dict[str, object] = field(default_factory=dict)
    companions: list[dict[str, str]] = field(default_factory=list)


def header_from_json(described: str, path: str | Path) -> WeightsHeader:
    """The header that a weights file's text describes.

    Args:
        described: a JSON object.
        path: the file, for the message.

    Raises:
        InputError: it says what this version knows nothing of.
        ValueError, TypeError: it is no header.
    """
    told = json.loads(described)
    known = {one.name for one in fields(WeightsHeader)}
    if isinstance(told, dict) and (unknown := sorted(set(told) - known)):
        raise InputError(
            f"The weights file {path} was made by a newer version of DosePrediction (its header has "
            f"{', '.join(unknown)}); update this one."
        )
    return WeightsHeader(**told)


def read_weights_header(path: str | Path) -> WeightsHeader:
    """The header of a weights file; the weights themselves are neither read nor checked.

    Raises:
        InputError: the file is missing, not a weights file of DosePrediction, or a newer version's.
    """
    try:
        with Path(path).open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            metadata = json.loads(file.read(length)).get("__metadata__", {}) if length < LONGEST_HEADER else {}
        if metadata.get("format") == FORMAT:
            return header_from_json(metadata["header"], path)
    except OSError as error:
        raise InputError(f"The weights file {path} can't be read ({error.strerror}); choose another.") from error
    except (ValueError, KeyError, TypeError, AttributeError, struct.error):
        pass  # not safetensors, or not ours: said below
    raise InputError(f"{path} is not a weights file of DosePrediction; choose one made by its train command.")


def companion_path(name: str, weights: Path) -> Path:
    """The file of a companion (`WeightsHeader.companions`): beside the weights, or among those that ship.

    Args:
        name: of the companion's file.
        weights: the file whose header names it.

    Raises:
        InputError: it is in neither place.
    """
    places = (weights.parent / name, resource_root() / "Models" / name)
    companion = next((place for place in places if place.is_file()), None)
    if companion is None:
        raise InputError(f"{weights} samples together with {name}, which is missing; put it into the same folder.")
    return companion
