"""Doses, goals and gamma as ``compare`` and ``report`` take them from the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from DosePredictionLib.dosimetry.comparison import GAMMA_POINTS
from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.dosimetry.gamma import NOT_AVAILABLE, gamma_is_available
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.image_file import image_stem, image_suffix
from DosePredictionLib.patient.patient import Patient


def add_goals_and_gamma(parser: argparse.ArgumentParser) -> None:
    """The options that both commands share."""
    parser.add_argument("--goals", default="head-and-neck", metavar="NAME_OR_FILE",
                        help="goals: a bundled set or a JSON file (default: head-and-neck)")  # fmt: skip
    parser.add_argument("--gamma-points", type=_points, metavar="N",
                        help=f"voxels that gamma looks at, chosen at random: a number, all, or 0 for no gamma "
                        f"(default: {GAMMA_POINTS})")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of that choice (default: 0)")


def _points(text: str) -> int | str:
    if text == "all":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor all")
    return int(text)


def gamma_points(chosen: int | str | None) -> int | None:
    """How many points gamma looks at; None for all.

    Raises:
        InputError: gamma was asked for by name and pymedphys is missing.
    """
    if chosen is None:
        return GAMMA_POINTS
    if chosen != 0 and not gamma_is_available():
        raise InputError(NOT_AVAILABLE)
    return None if chosen == "all" else int(chosen)


def named_dose(given: str, patient: Patient) -> NamedDose:
    """The dose of NAME=FILE or FILE, with what `predict` left beside it.

    A file ``dose.nrrd`` without a name takes its folder's. Its standard deviation and its provenance are read from
    ``dose_std.nrrd`` and ``prediction.json`` in the same folder, where they are.

    Raises:
        InputError: the file can't be used.
    """
    path, name = Path(given), ""
    if not path.exists() and "=" in given:
        name, _, file = given.partition("=")
        path = Path(file)
        if not name.strip():
            raise InputError(f"{given} gives the dose no name; write NAME=FILE, or the file alone.")
    dose = read_dose_file(path, patient.geometry)
    stem = image_stem(path)
    std_path = path.with_name(f"dose_std{image_suffix(path)}")
    provenance_path = path.with_name("prediction.json")
    beside = stem == "dose"
    return NamedDose(
        name.strip() or (path.resolve().parent.name if beside else stem),
        dose,
        read_dose_file(std_path, patient.geometry) if beside and std_path.exists() else None,
        read_provenance(provenance_path) if beside and provenance_path.exists() else None,
    )


def read_provenance(path: Path) -> Mapping[str, Any]:
    """The content of a prediction.json.

    Raises:
        InputError: it can't be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; check the path.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON; give the prediction.json that predict wrote.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no prediction.json; give the one that predict wrote.")
    return content
