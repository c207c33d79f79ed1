"""Case, doses, goals and gamma as ``compare`` and ``report`` take them from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from DosePredictionLib.cli.goal_options import TakenGoals, add_goals_option, goals_for, named_goals
from DosePredictionLib.cli.provenance_file import named_provenance, provenance_beside, read_provenance, told_of
from DosePredictionLib.dosimetry.comparison import GAMMA_POINTS, DoseComparison, compare_doses
from DosePredictionLib.dosimetry.dose_file import is_zero, read_dose_file
from DosePredictionLib.dosimetry.gamma import NOT_AVAILABLE, gamma_is_available
from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.checks import without_what_lies_outside
from DosePredictionLib.patient.image_file import image_stem, image_suffix
from DosePredictionLib.patient.made_by_model import PREDICTION
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.volume import Volume

#: Of numpy's generator, which pymedphys chooses points with.
_LARGEST_SEED = 2**32 - 1


def add_comparison_options(parser: argparse.ArgumentParser) -> None:
    """What both commands ask for: the case, goals and gamma."""
    parser.add_argument("case", metavar="CASE", type=Path, help="the case, as predict takes it")
    add_goals_option(parser)
    parser.add_argument("--gamma-points", type=_points, metavar="N",
                        help=f"voxels that gamma looks at, chosen at random: a number, all, or 0 for no gamma "
                        f"(default: {GAMMA_POINTS})")  # fmt: skip
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="seed of that choice (default: 0)")


def _points(text: str) -> int | str:
    if text == "all":
        return text
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor all")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {_LARGEST_SEED}")
    return int(text)


def case_and_goals(arguments: argparse.Namespace) -> tuple[Patient, TakenGoals]:
    """The case and the goals; what can't be done is refused before the case is read.

    What was odd about the case is told on standard error.

    Raises:
        InputError: gamma was asked for and can't be computed, or the goals or the case can't be used.
    """
    gamma_points(arguments.gamma_points)
    named = named_goals(arguments)
    patient = without_what_lies_outside(read_patient(arguments.case))
    if patient.reference_dose is not None and is_zero(patient.reference_dose):
        empty = f"The reference dose of {patient.identifier} is 0 everywhere; check that it was exported whole."
        patient = replace(patient, warnings=(*patient.warnings, empty))
    tell_warnings(patient.warnings)
    return patient, goals_for(patient, named)


def tell_warnings(warnings: Iterable[str], about: str = "") -> None:
    """Warnings on standard error, one a line; ``about`` names the case where there are several."""
    for text in warnings:
        print(f"Warning: {about}{text}", file=sys.stderr)


def checked_dose(path: Path, patient: Patient, about: str = "") -> Volume:
    """A patient's dose from a file; what is odd about it is told on standard error, ``about`` as in `tell_warnings`.

    Raises:
        InputError: see `read_dose_file`.
    """
    told: list[str] = []
    dose = read_dose_file(path, patient.geometry, patient.frame_of_reference_uid, told)
    made_by = provenance_beside(path)
    if made_by is not None:
        # Nothing is taken from it, so another program's file of that name does no harm.
        with suppress(InputError):
            told += told_of(made_by, read_provenance(made_by), patient)
    tell_warnings(told, about)
    return dose


def comparison_of(
    arguments: argparse.Namespace, patient: Patient, doses: Sequence[NamedDose], goals: GoalSet
) -> DoseComparison:
    """Doses held against the first of them, as `compare_doses` does; standard error tells how it goes."""
    return compare_doses(
        patient, doses, goals, gamma_points=gamma_points(arguments.gamma_points), seed=arguments.seed,
        tell=lambda text: print(text, file=sys.stderr),
    )  # fmt: skip


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


def dose_path(given: str) -> tuple[Path, str]:
    """The file and the name of NAME=FILE or FILE; the name is "" where none is given.

    Raises:
        InputError: the name is empty.
    """
    path = Path(given)
    if path.exists() or "=" not in given:
        return path, ""
    name, _, file = given.partition("=")
    if not name.strip():
        raise InputError(f"{given} gives the dose no name; write NAME=FILE, or the file alone.")
    return Path(file), name


def files_of_dose(given: str) -> list[Path]:
    """The files that `named_dose` may read for NAME=FILE or FILE.

    Raises:
        InputError: the name is empty.
    """
    path, _ = dose_path(given)
    return [path, _std_path(path), path.with_name(PREDICTION)]


def _std_path(dose: Path) -> Path:
    return dose.with_name(f"dose_std{image_suffix(dose)}")


def named_dose(given: str, patient: Patient, made_by: Path | None = None) -> NamedDose:
    """The dose of NAME=FILE or FILE, with what `predict` left beside it and with what is odd about it.

    A file ``dose.nrrd`` without a name takes its folder's. Its standard deviation and its provenance are read from
    ``dose_std.nrrd`` and ``prediction.json`` in the same folder, where they are.

    Args:
        given: what the user wrote.
        patient: whose dose it should be.
        made_by: its prediction.json, as the user names it; None takes the one beside it.

    Raises:
        InputError: the file can't be used.
    """
    path, name = dose_path(given)
    told: list[str] = []
    dose = read_dose_file(path, patient.geometry, patient.frame_of_reference_uid, told)
    stem, std_path = image_stem(path), _std_path(path)
    beside = stem == "dose"
    provenance = None
    if made_by is not None:
        provenance = named_provenance(made_by)
    elif (made_by := provenance_beside(path)) is not None:
        provenance = read_provenance(made_by)
    if made_by is not None and provenance is not None:
        told += told_of(made_by, provenance, patient)
    return NamedDose(
        name.strip() or (path.resolve().parent.name if beside else stem),
        dose,
        read_dose_file(std_path, patient.geometry) if beside and std_path.exists() else None,
        provenance,
        tuple(told),
    )
