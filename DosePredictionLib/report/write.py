"""The report's front door, for the panel's button and the command line alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from DosePredictionLib.dosimetry.comparison import GAMMA_POINTS, DoseComparison, compare_doses
from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.report.page import report_page
from DosePredictionLib.review.plan_digest import is_of_another_plan
from DosePredictionLib.review.review import review_prediction
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.whole_file import whole_file

#: What a patient's own clinical or reference dose is called.
REFERENCE_NAME = "Reference"


def write_report(
    path: str | Path,
    patient: Patient,
    doses: Sequence[NamedDose],
    goals: GoalSet | None = None,
    warnings: Sequence[ReviewWarning] | None = None,
    *,
    gamma_points: int | None = GAMMA_POINTS,
    comparison: DoseComparison | None = None,
    goals_reason: str = "",
    title: str = "Predicted dose",
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Write the report (HTML, everything in one file); it appears whole or not at all.

    Args:
        path: of the HTML file.
        patient: CT, structures, plan; every dose is compared with its ``reference_dose``, when it has one.
        doses: at least one; the first is the one that warnings and uncertainty are about. Each may bring its ``std``
            and, as ``provenance``, the content of its prediction.json (``dataclasses.asdict(prediction.provenance)``).
        goals: what the doses are held against; None leaves goals out.
        warnings: None takes those of the first dose's provenance or, where it has none or is of another plan, looks at
            patient and dose anew.
        gamma_points: how many points the gamma analysis looks at; None for all, 0 leaves gamma out.
        comparison: what was measured already, of `with_reference` of these doses; None measures here.
        goals_reason: why these goals were taken, a few words, where the user did not name them.
        title: what the page is called.
        tell: receives what is being done, for a person who waits.

    Raises:
        InputError: the file can't be written, or a dose can't be used.
    """
    compared = with_reference(patient, doses)
    if comparison is None:
        comparison = compare_doses(patient, compared, goals, gamma_points=gamma_points, tell=tell)
    found = warnings if warnings is not None else warnings_of(patient, doses[0])
    ordered = [*doses, *(dose for dose in compared if dose.name not in {one.name for one in doses})]
    page = report_page(patient, ordered, comparison, found, goals, goals_reason, title=title, made=datetime.now())
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def with_reference(patient: Patient, doses: Sequence[NamedDose]) -> list[NamedDose]:
    """The doses, after the patient's own clinical or reference dose when there is one."""
    if patient.reference_dose is None:
        return list(doses)
    return [NamedDose(REFERENCE_NAME, patient.reference_dose), *doses]


def warnings_of(patient: Patient, dose: NamedDose) -> tuple[ReviewWarning, ...]:
    """The warnings that came with a prediction of this very plan, or else what patient and dose give cause for."""
    made = dose.provenance or {}
    kept = made.get("review")
    if isinstance(kept, (list, tuple)) and not is_of_another_plan(made, patient):
        return tuple(ReviewWarning.from_dict(entry) for entry in kept)
    trained_on = made.get("trained_on")
    known = str(trained_on) if trained_on else None
    return review_prediction(
        patient, dose.dose, dose.std, trained_on=known, channels=tuple(made.get("channels", ())),
        unusual_percent=made.get("unusual_percent"),
    )  # fmt: skip
