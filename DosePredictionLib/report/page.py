"""The whole page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path

from DosePredictionLib.dosimetry.comparison import DoseComparison
from DosePredictionLib.dosimetry.goals import GoalSet
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.report import sections
from DosePredictionLib.report.structure_colours import structure_colours
from DosePredictionLib.review.review_warning import ReviewWarning

_STYLE = Path(__file__).with_name("style.css")
#: Nothing may be fetched and no script may run, whatever a structure is called.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def report_page(
    patient: Patient,
    doses: Sequence[NamedDose],
    comparison: DoseComparison,
    warnings: Sequence[ReviewWarning],
    goals: GoalSet | None = None,
    goals_reason: str = "",
    *,
    title: str,
    made: datetime,
) -> str:
    """The report as HTML.

    Args:
        patient: whose doses these are.
        doses: all that ``comparison`` measured, in the order of the line styles; warnings, uncertainty and the hottest
            point are the first one's.
        comparison: what was measured.
        warnings: about the first dose and the patient.
        goals: what the doses are held against.
        goals_reason: why, where the user did not name them.
        title: what the page is called.
        made: when, in local time.
    """
    by_name = {dose.name: dose for dose in doses}
    order = [dose.name for dose in doses]
    shown = doses[0]
    several = len([name for name in order if name != comparison.reference]) > 1 or comparison.reference == shown.name
    about = shown.name if several and len(doses) > 1 else ""
    colours = structure_colours(patient.structures)
    # Without what a review said then, which counts only where it is among the warnings.
    reviewed = {str(entry["text"]) for entry in (shown.provenance or {}).get("review", ())}
    remarks = [str(text) for text in (shown.provenance or {}).get("warnings", ()) if text not in reviewed]
    remarks += [text for dose in doses for text in dose.warnings]
    content = [
        sections.summary_section(
            patient, shown, comparison, len(warnings) + len(sections.remarks_beside(patient, warnings, remarks)), about
        ),
        sections.warnings_section(patient, warnings, remarks, about),
        sections.views_section(patient, doses, colours),
        sections.dvh_section(patient, comparison, order, colours),
    ]
    if comparison.goals:
        content.append(sections.goals_section(comparison, order, goals, goals_reason))
    content.append(sections.figures_section(patient, comparison, order))
    if comparison.agreements:
        content.append(sections.agreement_section(patient, by_name, comparison, colours))
    if shown.std is not None:
        content.append(sections.uncertainty_section(patient, shown, colours))
    content.append(sections.structures_section(patient, comparison, colours))
    content.append(sections.provenance_section(doses))
    identifier = escape(patient.identifier)
    when = f"{made:%Y-%m-%d %H:%M}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: {identifier}</title><style>{_STYLE.read_text(encoding='utf-8')}</style></head>"
        "\n<body>"
        f'<div class="notice">{INTENDED_USE}</div><table class="sheet" role="presentation">'
        # A table's head is repeated on every printed page, in every browser.
        f'<thead class="running"><tr><td><div>{INTENDED_USE}'
        f"<span>{escape(title)}: {identifier}, {when}</span></div></td>"
        "</tr></thead><tbody><tr><td><main>"
        f'<header class="top"><h1>{escape(title)}: {identifier}</h1><p>Made by SlicerDosePrediction on {when}</p>'
        f"</header>{''.join(content)}</main></td></tr></tbody></table></body></html>\n"
    )
