"""Case, doses, goals and gamma as ``compare`` and ``report`` take them from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.goal_options import TakenGoals, add_goals_option, goals_for, named_goals
from DosePredictionLib.dosimetry.comparison import GAMMA_POINTS, DoseComparison, compare_doses
from DosePredictionLib.dosimetry.dose_file import is_zero, read_dose_file
from DosePredictionLib.dosimetry.gamma import NOT_AVAILABLE, gamma_is_available
from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.checks import without_what_lies_outside
from DosePredictionLib.patient.image_file import image_stem, image_suffix
from DosePredictionLib.patient.made_by_model import PREDICTION
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import ct_digest
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
            told += another_patients(made_by, read_provenance(made_by), patient)
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


def named_dose(given: str, patient: Patient, made_by: Path | None = None) -> NamedDose:
    """The dose of NAME=FILE or FILE, with what `predict` left beside it and with what is odd about it.

    A file ``dose.nrrd`` without a name takes its folder's. Its standard deviation and its provenance are read from
    ``dose_std.nrrd`` and ``prediction.json`` in the same folder, where they are.

    Args:
        given: what the user wrote.
        patient: whose dose it should be.
        made_by: its prediction.json; None takes the one beside it.

    Raises:
        InputError: the file can't be used.
    """
    path, name = Path(given), ""
    if not path.exists() and "=" in given:
        name, _, file = given.partition("=")
        path = Path(file)
        if not name.strip():
            raise InputError(f"{given} gives the dose no name; write NAME=FILE, or the file alone.")
    told: list[str] = []
    dose = read_dose_file(path, patient.geometry, patient.frame_of_reference_uid, told)
    stem = image_stem(path)
    std_path = path.with_name(f"dose_std{image_suffix(path)}")
    beside = stem == "dose"
    made_by = made_by or provenance_beside(path)
    provenance = None if made_by is None else read_provenance(made_by)
    if made_by is not None and provenance is not None:
        told += another_patients(made_by, provenance, patient)
    return NamedDose(
        name.strip() or (path.resolve().parent.name if beside else stem),
        dose,
        read_dose_file(std_path, patient.geometry) if beside and std_path.exists() else None,
        provenance,
        tuple(told),
    )


def provenance_beside(dose: Path) -> Path | None:
    """The prediction.json of a dose that `predict` wrote; None for any other dose."""
    path = dose.with_name(PREDICTION)
    return path if image_stem(dose) == "dose" and path.exists() else None


def another_patients(path: Path, provenance: Mapping[str, Any], patient: Patient) -> list[str]:
    """What to tell of a prediction.json that is about another patient: one sentence, or nothing.

    The CT tells, where both have one: a case has other names in other batches, and names, roles and prescriptions may
    be edited after the prediction. Without it names do.
    """
    made_for, made_on, own = provenance.get("patient"), provenance.get("ct_digest"), patient.identifier
    digest = ct_digest(patient) if made_on else None
    if made_for is None or digest is not None and digest == made_on:
        return []
    file = f"{path.resolve().parent.name}/{path.name}"
    if digest is not None:
        return [f"{file} is about {made_for}, whose CT is not that of the case {own}; check whose dose it is."]
    return [] if _may_be_one_folder(str(made_for), own) else [f"{file} is about {made_for}, the case is {own}."]


def _may_be_one_folder(one: str, other: str) -> bool:
    """Whether two identifiers may be one case's: in a batch it is ``patient1_DICOM``, by itself ``DICOM``."""
    longer, shorter = sorted((one.casefold(), other.casefold()), key=len, reverse=True)
    return longer == shorter or longer.endswith(f"_{shorter}")


def read_provenance(path: Path) -> Mapping[str, Any]:
    """The content of a prediction.json.

    Raises:
        InputError: it can't be read.
    """
    content = read_json(path, "how a dose was made")
    if not isinstance(content, dict) or not _is_provenance(content):
        raise InputError(f"{path} is no prediction.json that predict wrote; put it back, or take it away.")
    return content


def _is_provenance(content: Mapping[str, Any]) -> bool:
    """Whether what a report reads of it has the kind that predict gives it."""
    warnings, review = content.get("warnings", []), content.get("review", [])
    return (
        isinstance(warnings, list)
        and isinstance(review, list)
        and all(isinstance(entry, dict) and {"id", "text"} <= entry.keys() for entry in review)
        and all(isinstance(entry.get("evidence") or {}, dict) for entry in review)
    )
