"""Where the weights lie that ship with the systems; found without torch."""

from __future__ import annotations

from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.resources import resource_root


def default_weights(system: str) -> Path:
    """The weights that ship with a system.

    Raises:
        InputError: there is no such system, or no weights ship with it.
    """
    path = resource_root() / "Models" / f"{system}.safetensors"
    if not path.is_file():
        from DosePredictionLib.systems.registry import system_from_config  # imports torch

        system_from_config(system, {})
        raise InputError(
            f"No weights ship with the system {system!r} ({path} is missing); give a file with --weights, such as the "
            "one that training it makes."
        )
    return path


def shipped_calibration(system: str) -> Path:
    """The calibration that ships for a system's weights.

    Raises:
        InputError: none ships for it.
    """
    path = resource_root() / "Models" / f"adc-{system}.safetensors"
    if not path.is_file():
        raise InputError(
            f"No dose calibration ships for the system {system!r} ({path} is missing); predict without --calibrate or "
            "give one with --calibration-weights (training's stage calibration makes it)."
        )
    return path
