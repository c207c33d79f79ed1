"""Scorecard results as tables: CSV for programs, text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import ScorecardResult, TemplateScore, score_dose
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume

COLUMNS = ("structure", "patient_structure", "metric", "value", "unit", "score", "maximum", "reason", "comment")
#: The table with a row a patient: its name among an evaluation's, and the columns. The last one is of the patient's own
#: dose, empty where there is none.
PATIENT_TABLE, PERCENT = "scorecard.csv", "scorecard_percent"
PATIENT_COLUMNS = ("patient", "score", "maximum", PERCENT, "reference_percent")


@dataclass(frozen=True)
class PatientTotal:
    """What a patient's dose earns on a scorecard, and what the patient's own (clinical) dose does in the same rows.

    Attributes:
        identifier: of the patient.
        score, maximum: points earned, and the most that could have been, in the rows that both doses were scored in:
            one grid may end where the other's doesn't.
        percent: the one in % of the other; NaN when nothing was scored.
        reference_percent: the same of the patient's reference dose; NaN without one.
    """

    identifier: str
    score: float
    maximum: float
    percent: float
    reference_percent: float

    @classmethod
    def of(cls, card: Scorecard, patient: Patient, dose: Volume) -> PatientTotal:
        """Score a patient's dose."""
        result, own = score_dose(card, patient, dose), patient.reference_dose
        if own is None:
            return cls(patient.identifier, result.score, result.maximum, result.percent, math.nan)
        reference = score_dose(card, patient, own)
        result, reference = result.in_rows_of(reference), reference.in_rows_of(result)
        return cls(patient.identifier, result.score, result.maximum, result.percent, reference.percent)


def means_of(totals: Sequence[PatientTotal]) -> tuple[float, float]:
    """Mean percent of the doses and of the reference doses, of the patients that have any; NaN where none has."""

    def mean(values: list[float]) -> float:
        known = [value for value in values if not math.isnan(value)]
        return sum(known) / len(known) if known else math.nan

    return mean([one.percent for one in totals]), mean([one.reference_percent for one in totals])


def format_mean(totals: Sequence[PatientTotal], card: Scorecard) -> str:
    """The patients' mean percent, and that of their own doses, in one line."""
    mean, own = means_of(totals)
    reference = "" if math.isnan(own) else f"; their own doses {own:.2f} %"
    return f"{len(totals)} patients: {mean:.2f} % on average ({card.name}){reference}"


def write_patient_totals(totals: Sequence[PatientTotal], path: str | Path) -> None:
    """Write a row a patient (`PATIENT_COLUMNS`) and the mean percents.

    Raises:
        InputError: the file cannot be written.
    """
    rows = []
    for one in totals:
        percents = [number_cell(value, ".3f") for value in (one.percent, one.reference_percent)]
        rows.append([one.identifier, f"{one.score:.3f}", f"{one.maximum:g}", *percents])
    rows.append(["mean", "", "", *(number_cell(value, ".3f") for value in means_of(totals))])
    write_csv(path, PATIENT_COLUMNS, rows)


def write_scorecard_csv(result: ScorecardResult, path: str | Path) -> None:
    """Write a row a template and a last one with the total; rows that were left out have no value and no score.

    Raises:
        InputError: the file cannot be written.
    """
    rows = []
    for row in result.rows:
        template = row.template
        figures = [f"{row.value:.4f}", template.unit, f"{row.score:.3f}"] if row.counts else ["", template.unit, ""]
        rows.append([template.structure, row.structure_label, template.text, *figures, f"{template.maximum:g}",
                     row.reason, template.comment])  # fmt: skip
    rows.append(["total", "", "", number_cell(result.percent, ".2f"), "%", f"{result.score:.3f}", f"{result.maximum:g}",
                 "", ""])  # fmt: skip
    write_csv(path, COLUMNS, rows)


def format_scorecard_table(result: ScorecardResult) -> str:
    """The result as text, and below it what was left out, what to mind and what it is for."""
    header = ("structure", "metric", "value", "score", "of")
    rows = [_cells(row) for row in result.rows if row.counts]
    rows.append(("total", "", _percent(result), f"{result.score:.1f}", f"{result.maximum:g}"))
    widths = [max(len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    lines = [result.scorecard.name]
    for line in (header, *rows):
        words = [cell.ljust(width) if i < 2 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(words).rstrip())
    lines += [f"{row.template.structure} {row.template.text}: {row.reason}" for row in result.rows if not row.counts]
    return "\n".join([*lines, *result.remarks, INTENDED_USE])


def _cells(row: TemplateScore) -> tuple[str, ...]:
    template = row.template
    value = f"{row.value:.2f} {template.unit}" if template.unit else f"{row.value:.3f}"
    return (row.structure_label, template.text, value, f"{row.score:.1f}", f"{template.maximum:g}")


def _percent(result: ScorecardResult) -> str:
    return "-" if math.isnan(result.percent) else f"{result.percent:.1f} %"
