"""A page that says what was predicted, how it compares with the goals, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from DosePredictionLib.dosimetry.goals import format_value
from DosePredictionLib.whole_file import whole_file
from DosePredictionScene.prediction_run import Shown

STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto;color:#222}table{border-collapse:collapse;width:100%}"
    "td,th{border-bottom:1px solid #ccc;padding:.3em .5em;text-align:left}"
    ".pass{color:#0a7a2f}.tolerance{color:#a66b00}.fail{color:#b3101f}"
    ".notice{background:#fff3cd;padding:.6em;font-weight:bold}pre{font-size:.8em;white-space:pre-wrap}"
)


def write_report(shown: Shown, path: str | Path) -> None:
    """Write the page (HTML, all in one file); it appears whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(report_page(shown), encoding="utf-8")


def report_page(shown: Shown) -> str:
    """The page as HTML."""
    prediction = shown.prediction
    provenance = prediction.provenance
    reference = {(r.goal, r.structure_label): r for r in shown.reference_goals or ()}
    goals = []
    for result in shown.goals:
        other = reference.get((result.goal, result.structure_label))
        goal = f"{result.goal.metric.text} {result.goal.comparator} {result.goal.limit:g} {result.unit}"
        cells = [result.structure_label, goal, format_value(result.value, result.unit)]
        cells += ["-" if other is None else format_value(other.value, other.unit)] if reference else []
        goals.append((result.verdict.value, [*cells, result.reason]))
    headings = ["Verdict", "Structure", "Goal", "Predicted", *(["Clinical"] if reference else []), "Reason"]
    rows = "".join(
        f'<tr><td class="{escape(verdict.split()[0])}">{escape(verdict)}</td>{_cells(cells)}</tr>'
        for verdict, cells in goals
    )
    figures = [
        [name, *(f"{v:.1f}" for v in (d.volume_cc, d.mean_gy, d.min_gy, d.max_gy, d.dose_at_volume_percent(95.0)))]
        for name, d in prediction.dvhs.items()
    ]
    warnings = "".join(f"<li>{escape(text)}</li>" for text in prediction.patient.warnings)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Predicted dose</title>'
        f"<style>{STYLE}</style>"
        f"</head><body><h1>Predicted dose: {escape(prediction.patient.identifier)}</h1>"
        f'<p class="notice">{escape(provenance.intended_use)}</p><h2>Goals</h2><table>{_head(headings)}{rows}</table>'
        f"<h2>Dose by structure</h2><table>{_head(['Structure', 'cc', 'Mean Gy', 'Min Gy', 'Max Gy', 'D95% Gy'])}"
        f"{''.join(f'<tr>{_cells(row)}</tr>' for row in figures)}</table>"
        f"{f'<h2>To be aware of</h2><ul>{warnings}</ul>' if warnings else ''}"
        f"<h2>How it was made</h2><pre>{escape(json.dumps(asdict(provenance), indent=2))}</pre></body></html>\n"
    )


def _head(headings: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<th>{escape(text)}</th>" for text in headings) + "</tr>"


def _cells(cells: Iterable[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in cells)
