"""Scorecard results as tables: CSV for programs, text for a terminal."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from DosePredictionLib.dosimetry.scorecard_scoring import ScorecardResult, TemplateScore
from DosePredictionLib.whole_file import whole_file

COLUMNS = ("structure", "patient_structure", "metric", "value", "unit", "score", "maximum", "reason", "comment")


def write_scorecard_csv(result: ScorecardResult, path: str | Path) -> None:
    """Write a row a template and a last one with the total; rows that were left out have no value and no score.

    Raises:
        InputError: the file cannot be written.
    """
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for row in result.rows:
            template = row.template
            figures = [f"{row.value:.4f}", template.unit, f"{row.score:.3f}"] if row.counts else ["", template.unit, ""]
            writer.writerow([template.structure, row.structure_label, template.text, *figures,
                             f"{template.maximum:g}", row.reason, template.comment])  # fmt: skip
        writer.writerow(["total", "", "", f"{result.percent:.2f}", "%", f"{result.score:.3f}", f"{result.maximum:g}",
                         "", ""])  # fmt: skip


def format_scorecard_table(result: ScorecardResult) -> str:
    """The result as text, and below it what was left out and what to mind."""
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
    return "\n".join([*lines, *result.remarks])


def _cells(row: TemplateScore) -> tuple[str, ...]:
    template = row.template
    value = f"{row.value:.2f} {template.unit}" if template.unit else f"{row.value:.3f}"
    return (row.structure_label, template.text, value, f"{row.score:.1f}", f"{template.maximum:g}")


def _percent(result: ScorecardResult) -> str:
    return "-" if math.isnan(result.percent) else f"{result.percent:.1f} %"
