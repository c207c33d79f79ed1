"""Which model predicts, and how, as ``predict`` and others take it from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights_header import read_weights_header

#: The options that choose and steer a model, with their defaults.
MODEL_DEFAULTS = {
    "--system": None, "--weights": None, "--samples": None, "--steps": None, "--seed": 0, "--calibrate": False,
    "--calibration-weights": None, "--device": "auto",
}  # fmt: skip

#: What a weights file calls the Adaptive Dose Calibration, whose own module takes torch to load.
CALIBRATION = "adc"


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """The options that choose and steer a model."""
    parser.add_argument("--system", metavar="NAME",
                        help="which system predicts (default: that of --weights, or default)")  # fmt: skip
    parser.add_argument("--weights", metavar="FILE", type=Path, help="weights file instead of the one that ships")
    parser.add_argument("--samples", type=int, metavar="K",
                        help="doses drawn, every second one of the patient's mirror image; their mean is the "
                        "prediction, and the uncertainty is told from their spread (default: as the weights "
                        "recommend)")  # fmt: skip
    parser.add_argument("--steps", type=int, metavar="N",
                        help="denoising steps a sample (default: likewise)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the noise (default: 0)")
    parser.add_argument("--calibrate", action="store_true",
                        help="refine the dose inside targets and organs with the Adaptive Dose Calibration that ships "
                        "for the system")  # fmt: skip
    parser.add_argument("--calibration-weights", metavar="FILE", type=Path,
                        help="the same with another calibration, one that was trained for these weights")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... or mps (default: auto)")


def chosen_system(arguments: argparse.Namespace) -> str:
    """The system that predicts.

    Raises:
        InputError: the weights can't be read, are a dose calibration, or of another system than is asked for.
    """
    if arguments.weights is None:
        return arguments.system or "default"
    held = read_weights_header(arguments.weights).system
    if held == CALIBRATION:
        raise InputError(
            f"{arguments.weights} holds a dose calibration, which predicts no dose by itself; give it with "
            "--calibration-weights, and with --weights the weights that it was trained for."
        )
    if arguments.system not in (None, held):
        raise InputError(
            f"{arguments.weights} holds weights of the system {held!r}, not {arguments.system!r}; leave --system out, "
            "or give weights of that system."
        )
    return held


def chosen_calibration(arguments: argparse.Namespace) -> bool | Path:
    """What `Predictor` is told of the calibration."""
    chosen: bool | Path = arguments.calibration_weights or arguments.calibrate
    return chosen
