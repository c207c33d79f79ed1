"""The sections of a report, each made from what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from DosePredictionLib.dosimetry.comparison import DoseComparison, measured_structures
from DosePredictionLib.dosimetry.comparison_tables import label_of
from DosePredictionLib.dosimetry.dose_difference import dose_difference
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goals import GoalResult, GoalSet, Verdict
from DosePredictionLib.dosimetry.named_dose import NamedDose, is_calibrated
from DosePredictionLib.dosimetry.partial_voxels import inside_cc
from DosePredictionLib.dosimetry.tables import not_applicable
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.report.colour_bar import colour_bar_svg
from DosePredictionLib.report.dvh_chart import dvh_chart_svg, legend_html
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionLib.report.markup import Cell, Raw, given, number, section, table
from DosePredictionLib.report.structure_colours import Colour
from DosePredictionLib.report.view_picture import css_colour
from DosePredictionLib.report.views import (
    central_point,
    difference_wash,
    dose_wash,
    hottest_point,
    planes_through,
    row_of_views,
    std_wash,
)
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.rounding import MOST_DECIMALS, decimals_that_tell

_UNITS = {"gy": "Gy", "hu": "HU", "mm": "mm", "cc": "cc", "percent": "%"}
#: Differences in dose of more than this stand out in tables.
NOTABLE_GY = 2.0
_ROLE_WORDS = {
    StructureRole.TARGET: "target", StructureRole.OAR: "organ at risk", StructureRole.EXTERNAL: "external",
    StructureRole.DOSE_REGION: "dose region", StructureRole.OTHER: "measured only", StructureRole.IGNORED: "ignored",
}  # fmt: skip


def drawn_structures(patient: Patient) -> list[Structure]:
    """The structures that views and DVHs show: all measured ones but the external."""
    return [s for s in measured_structures(patient) if s.role is not StructureRole.EXTERNAL]


def summary_section(
    patient: Patient, shown: NamedDose, comparison: DoseComparison, warnings: int, about: str = ""
) -> str:
    """The figures to see first; ``about`` says whose they are where it isn't plain."""
    cards: list[tuple[str, str, str]] = []
    levels = " / ".join(f"{target.prescription_gy:g}" for target in patient.targets if target.prescription_gy)
    fractions = f"in {patient.fractions} fractions" if patient.fractions else "fractions unknown"
    cards.append(("Prescription", f"{levels} Gy" if levels else "none", fractions))
    if patient.targets and patient.targets[0].name in comparison.dvhs[shown.name]:
        target = patient.targets[0]
        d95_gy = comparison.dvhs[shown.name][target.name].dose_at_volume_percent(95.0)
        part = f"{100.0 * d95_gy / target.prescription_gy:.1f} % of its prescription" if target.prescription_gy else ""
        cards.append((f"D95% of {target.name}", f"{d95_gy:.1f} Gy", part))
    cards.append(("Highest dose", f"{float(shown.dose.array.max()):.1f} Gy", "in one voxel"))
    if comparison.goals:
        counts = Counter(result.verdict for result in comparison.goals[shown.name])
        passed = f"{counts[Verdict.PASS]} passed"
        rest = f"{counts[Verdict.TOLERANCE]} within tolerance, {counts[Verdict.FAIL]} failed"
        cards.append(("Goals", passed, rest))
    agreement = next((one for one in comparison.agreements if one.name == shown.name), None)
    if agreement is not None:
        mask = agreement.voxels.mask.split(" (")[0]
        cards.append((f"MAE to {comparison.reference}", f"{agreement.voxels.mae_gy:.2f} Gy", f"in the {mask}"))
    cards.append(("Warnings", str(warnings), "see below" if warnings else "none"))
    items = "".join(
        f"<li><span>{escape(title)}</span><b>{escape(value)}</b><small>{escape(rest)}</small></li>"
        for title, value, rest in cards
    )
    whose = f'<p class="note">Figures of {escape(about)}</p>' if about else ""
    return f'{whose}<ul class="cards">{items}</ul>'


def warnings_section(
    patient: Patient, warnings: Sequence[ReviewWarning], remarks: Sequence[str], about: str = ""
) -> str:
    """Warnings with reason and figures, then what readers and checks remarked."""
    items = []
    for warning in warnings:
        evidence = "; ".join(_evidence(name, value) for name, value in warning.evidence.items())
        items.append(
            f'<li data-id="{escape(warning.id)}"><b>{escape(warning.text)}</b> {escape(warning.explanation)}'
            f"<small>{escape(evidence)}</small></li>"
        )
    more = remarks_beside(patient, warnings, remarks)
    content = f'<ul class="warnings">{"".join(items)}</ul>' if items else ""
    if not items and not more:
        content = "<p>No warning applies.</p>"
    if more:
        content += f'<ul class="remarks">{"".join(f"<li>{escape(text)}</li>" for text in more)}</ul>'
    return section(f"Warnings: {about}" if about else "Warnings", content)


def remarks_beside(patient: Patient, warnings: Sequence[ReviewWarning], remarks: Sequence[str]) -> list[str]:
    """What readers and checks remarked, each once, without what the warnings say."""
    known = {warning.text for warning in warnings}
    return [text for text in dict.fromkeys((*patient.warnings, *remarks)) if text not in known]


def _evidence(name: str, value: float | str) -> str:
    """A figure whose unit stands at the end of its name: "threshold 8.5 cc" of "threshold_cc"."""
    words, _, last = name.rpartition("_")
    if last not in _UNITS:
        words, last = name, ""
    figure = f"{value:.8g}".replace("-", "−") if isinstance(value, (int, float)) else value
    return f"{words.replace('_', ' ')} {figure} {_UNITS.get(last, '')}".strip()


def views_section(patient: Patient, doses: Sequence[NamedDose], colours: Mapping[str, Colour]) -> str:
    """Each dose in three planes through the isocentre, and the first one through its hottest point."""
    structures = drawn_structures(patient)
    first = doses[0]
    prescription_gy = patient.prescription_gy or float(first.dose.array.max()) or 1.0
    scale = IsodoseScale.for_prescription(prescription_gy)
    name, point = central_point(patient)
    lowest_gy = 0.1 * prescription_gy
    planes = planes_through(point, patient, first.dose, lowest_gy)
    parts = []
    for one in doses:
        title = f"{one.name}: {name}" if len(doses) > 1 else name.capitalize()
        parts.append(f"<h3>{escape(title)}</h3>")
        wash = dose_wash(one.dose, scale)
        parts.append(row_of_views(patient, planes, wash, structures, colours, f"{one.name} dose"))
    highest_gy, hottest = hottest_point(first.dose)
    of = f" of {first.name}" if len(doses) > 1 else ""
    parts.append(f"<h3>Hottest point{escape(of)}: {highest_gy:.1f} Gy</h3>")
    planes = planes_through(hottest, patient, first.dose, lowest_gy)
    parts.append(row_of_views(patient, planes, dose_wash(first.dose, scale), structures, colours, f"{first.name} dose"))
    ticks = [(level, _tick(level)) for level in _spread(scale.levels_gy)]
    if ticks[-1][0] == scale.last_gy:
        ticks[-1] = (scale.last_gy, f"≥ {_tick(scale.last_gy)}")
    title = f"Dose (Gy); 100 % is {prescription_gy:g} Gy; no colour below {_tick(scale.first_gy)} Gy"
    bar = colour_bar_svg(dose_wash(first.dose, scale), ticks, title)
    legend = legend_html((), structures, colours)
    window = "CT window -160 to 240 HU. " if patient.ct is not None else "There is no CT. "
    note = f"{window}Outlines are the structures' own; positions are LPS coordinates."
    return section("Dose on the CT", bar, legend, *parts, note=note.replace("-160", "−160"), css="pictures")


def _tick(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _spread(levels: Sequence[float]) -> list[float]:
    """Levels that are far enough from each other to be written side by side."""
    kept: list[float] = []
    nearest = 0.045 * (levels[-1] - levels[0])
    for level in levels:
        if not kept or level - kept[-1] >= nearest:
            kept.append(level)
    return kept


def dvh_section(
    patient: Patient, comparison: DoseComparison, order: Sequence[str], colours: Mapping[str, Colour]
) -> str:
    """The curves of all doses."""
    structures = drawn_structures(patient)
    dvhs = {name: comparison.dvhs[name] for name in order}
    prescriptions = [target.prescription_gy for target in patient.targets if target.prescription_gy]
    chart = dvh_chart_svg(dvhs, structures, colours, prescriptions)
    note = "Dotted vertical lines: prescriptions. Hold the pointer on a curve for its name." if prescriptions else ""
    return section("Dose-volume histograms", chart, legend_html(order, structures, colours), note=note, css="keep")


def goals_section(
    comparison: DoseComparison, order: Sequence[str], goals: GoalSet | None = None, reason: str = ""
) -> str:
    """Every goal that applies, with value and verdict for each dose; which set it is and, where told, why that one."""
    rows: list[list[Cell]] = []
    missing: list[GoalResult] = []
    sources: list[str] = []
    for results in zip(*(comparison.goals[name] for name in order), strict=True):
        goal, label = results[0].goal, label_of(results)
        if all(result.verdict is Verdict.NOT_APPLICABLE for result in results):
            missing.append(results[0])
            continue
        tolerance = "" if goal.tolerance is None else f"{goal.tolerance:g}"
        conversion = results[0].conversion
        source = f"{goal.source}; {conversion.text}" if conversion is not None else goal.source
        if source not in sources:
            sources.append(source)
        row: list[Cell] = [
            label,
            Raw(f"{escape(goal.metric.text)}&nbsp;<sup>{sources.index(source) + 1}</sup>"),
            f"{_sign(goal.comparator)} {goal.limit:g} {goal.unit}".strip() + (" *" if conversion is not None else ""),
            tolerance,
            str(goal.priority),
        ]
        for result in results:
            word = result.verdict.value
            row += [result.shown_value.replace(" Gy", ""),
                    Raw(f'<span class="verdict {word.split()[0]}" title="{escape(result.reason)}">'
                        f"{escape(word)}</span>")]  # fmt: skip
        rows.append(row)
    headings: list[Cell] = ["Structure", "Metric", "Goal", "Tolerance", "Priority"]
    for name in order:
        headings += [given(name), ""]
    content = table(headings, rows, numbers_from=2) if rows else "<p>No goal applies to this patient.</p>"
    if missing:
        content += f'<p class="note">Not applicable: {escape(not_applicable(missing))}.</p>'
    if any(result.conversion is not None for result in comparison.goals[order[0]]):
        content += '<p class="note">* Converted to this plan\'s fractions by EQD2; its source says from what.</p>'
    if sources:
        content += f'<ol class="sources">{"".join(f"<li>{escape(source)}</li>" for source in sources)}</ol>'
    if goals is not None:
        why = f" Taken for this case, as no set was named: {reason}." if reason else ""
        content = f'<p class="note">{escape(goals.title)} ({escape(goals.name)}).{escape(why)}</p>{content}'
    return section("Goals", content)


def _sign(comparator: str) -> str:
    return {"<=": "≤", ">=": "≥"}.get(comparator, comparator)


def figures_section(patient: Patient, comparison: DoseComparison, order: Sequence[str]) -> str:
    """DVH figures of all doses, with differences to the reference."""
    others = [name for name in order if name != comparison.reference]
    differences = (f"{name} − {comparison.reference}" for name in others)
    headings: list[Cell] = ["Structure", "Metric", *(given(name) for name in (*order, *differences))]
    rows: list[list[Cell]] = []
    previous = ""
    for figure in comparison.figures:
        row: list[Cell] = [figure.structure if figure.structure != previous else "", figure.metric]
        previous = figure.structure
        row += [number(figure.values_gy[name], 2) for name in order]
        for name in others:
            difference = figure.values_gy[name] - figure.values_gy[comparison.reference]
            css = "notable" if _is_notable(difference) else ""
            decimals = decimals_that_tell(difference, 2, _is_notable) or MOST_DECIMALS
            row.append(Raw(f'<span class="{css}">{number(difference, decimals, signed=True)}</span>'))
        rows.append(row)
    note = f"Gy. Differences of {NOTABLE_GY:g} Gy or more are set in bold." if others else "Gy."
    note = f"{note} {comparison.outside_note}".rstrip()
    return section("Dose by structure", table(headings, rows, numbers_from=2), note=note)


def _is_notable(difference_gy: float) -> bool:
    return abs(difference_gy) >= NOTABLE_GY


def agreement_section(
    patient: Patient, doses: Mapping[str, NamedDose], comparison: DoseComparison, colours: Mapping[str, Colour]
) -> str:
    """Voxel statistics, gamma, isodoses and difference maps."""
    agreements = comparison.agreements
    names = [one.name for one in agreements]
    voxel_rows: list[list[Cell]] = [
        ["Mean absolute difference (MAE), Gy", *(number(one.voxels.mae_gy, 2) for one in agreements)],
        ["Mean difference, Gy", *(number(one.voxels.mean_difference_gy, 2, signed=True) for one in agreements)],
        ["Root mean square, Gy", *(number(one.voxels.rmse_gy, 2) for one in agreements)],
        ["95 % of voxels differ by up to, Gy", *(number(one.voxels.p95_absolute_gy, 2) for one in agreements)],
        ["Largest difference, Gy", *(number(one.voxels.max_absolute_gy, 2) for one in agreements)],
    ]
    voxels = agreements[0].voxels
    caption = f"{voxels.voxels} voxels, {voxels.volume_cc:.0f} cc, in the {voxels.mask}"
    headed: list[Cell] = [given(name) for name in names]
    parts = [table(["Difference", *headed], voxel_rows, caption=caption)]
    limited = f", in the {comparison.region}" if comparison.region else ""
    gamma_rows: list[list[Cell]] = []
    for found in zip(*(one.gamma for one in agreements), strict=True):
        gamma_rows.append([found[0].criterion.text, *(result.pass_text for result in found),
                           f"{found[0].points} of {found[0].eligible_points}",
                           f"{sum(result.seconds for result in found):.1f} s"])  # fmt: skip
    if gamma_rows:
        caption = (
            f"Gamma, voxels of {agreements[0].gamma[0].threshold_gy:.1f} Gy or more (10 % of the maximum){limited}"
        )
        parts.append(table(["Passing", *headed, "Points", "Time"], gamma_rows, caption=caption))
    if comparison.gamma_note:
        parts.append(f'<p class="note">{escape(comparison.gamma_note)}</p>')
    headings: list[Cell] = ["Isodose", given(f"{comparison.reference} cc")]
    for name in names:
        headings += [given(f"{name} cc"), "Dice", "HD95"]
    isodose_rows: list[list[Cell]] = []
    for levels in zip(*(one.isodoses for one in agreements), strict=True):
        row: list[Cell] = [f"{levels[0].level_percent:g} % ({levels[0].level_gy:.1f} Gy)",
                           number(levels[0].reference_cc, 0)]  # fmt: skip
        for level in levels:
            distance = number(level.hd95_mm)
            row += [number(level.evaluated_cc, 0), number(level.dice, 3), f"{distance} mm".replace("– mm", "–")]
        isodose_rows.append(row)
    parts.append(table(headings, isodose_rows, caption=f"Isodose volumes and distances of their surfaces{limited}"))
    parts.append(_difference_maps(patient, doses, comparison, colours))
    return section(f"Comparison with {comparison.reference}", *parts)


def _difference_maps(
    patient: Patient, doses: Mapping[str, NamedDose], comparison: DoseComparison, colours: Mapping[str, Colour]
) -> str:
    reference = doses[comparison.reference].dose
    limit_gy = max(1.0, float(np.ceil(0.15 * comparison.prescription_gy)))
    name, point = central_point(patient)
    planes = planes_through(point, patient, reference, 0.1 * comparison.prescription_gy)
    parts = []
    for agreement in comparison.agreements:
        difference = dose_difference(doses[agreement.name].dose, reference, reference.geometry)
        wash = difference_wash(difference, limit_gy)
        title = f"{agreement.name} − {comparison.reference}"
        parts.append(f"<h3>{escape(title)}: {escape(name)}</h3>")
        parts.append(row_of_views(patient, planes, wash, patient.targets, colours, f"Difference {title}"))
    signed = [f"{value:+g}".replace("-", "−") if value else "0" for value in np.linspace(-limit_gy, limit_gy, 5)]
    signed[0], signed[-1] = f"≤ {signed[0]}", f"≥ {signed[-1]}"  # larger ones have the colours of the bar's ends
    ticks = list(zip(np.linspace(-limit_gy, limit_gy, 5), signed, strict=True))
    parts.insert(0, colour_bar_svg(wash, ticks, "Difference (Gy)"))
    return f'<div class="pictures">{"".join(parts)}</div>'


#: What an uncertainty means, not calibrated and calibrated.
_MEANING = (
    "How much samples of the model differ from one another",
    "By how much the dose is off at most in two voxels of three, told from what the samples' differences meant in "
    "patients with a clinical dose",
)


def uncertainty_section(patient: Patient, shown: NamedDose, colours: Mapping[str, Colour]) -> str:
    """Maps and means of the uncertainty: half-widths of 68 % intervals where calibrated, else the samples' spread."""
    assert shown.std is not None
    prescription_gy = patient.prescription_gy or float(shown.dose.array.max()) or 1.0
    inside = shown.std.array[shown.std.array > 0.0]
    limit_gy = max(1.0, float(np.ceil(np.percentile(inside, 99.0)))) if inside.size else 1.0
    name, point = central_point(patient)
    planes = planes_through(point, patient, shown.dose, 0.1 * prescription_gy)
    wash = std_wash(shown.std, limit_gy)
    ticks = [(value, f"{value:g}") for value in np.linspace(0.0, limit_gy, 4, endpoint=False)]
    ticks.append((limit_gy, f"≥ {limit_gy:g}"))
    rows: list[list[Cell]] = []
    for structure in measured_structures(patient):
        spread = compute_dvh(shown.std, structure)
        rows.append([structure.label, number(spread.mean_gy, 2), number(spread.dose_at_volume_percent(2.0), 2)])
    samples = (shown.provenance or {}).get("samples")
    of = f" over {samples} samples" if samples else ""
    said = str((shown.provenance or {}).get("uncertainty") or "not calibrated against the error")
    calibrated = is_calibrated(said)
    what = "Uncertainty" if calibrated else "Standard deviation"
    return section(
        "Uncertainty",
        '<div class="pictures">',
        colour_bar_svg(wash, ticks, "Uncertainty, 68 % (Gy), calibrated" if calibrated else f"{what}{of} (Gy)"),
        f"<h3>{escape(name.capitalize())}</h3>",
        row_of_views(patient, planes, wash, patient.targets, colours, what),
        "</div>",
        table(["Structure", f"Mean {what.lower()}, Gy", "Exceeded in 2 % of the volume, Gy"], rows),
        note=f"{_MEANING[calibrated]}; {said}. A small value is no proof of a right dose.",
    )


def structures_section(patient: Patient, comparison: DoseComparison, colours: Mapping[str, Colour]) -> str:
    """What the data held, and what each structure was taken for."""
    volumes = comparison.dvhs[comparison.reference]
    rows: list[list[Cell]] = []
    for one in patient.structures:
        chip = f'<i class="chip" style="background:{css_colour(colours[one.name])}"></i>'
        if one.name in volumes:
            volume = number(volumes[one.name].volume_cc, 2)
        else:
            volume = number(inside_cc(one.measured), 2)
        prescribed = f"{one.prescription_gy:g}" if one.prescription_gy else ""
        rows.append([Raw(f"{chip}{escape(one.label)}"), one.standard_name or "–", _ROLE_WORDS[one.role], prescribed,
                     volume])  # fmt: skip
    grid = patient.geometry
    x, y, z = grid.spacing_mm
    facts = [
        ("Case", patient.identifier),
        ("Image" if patient.ct is not None else "Grid (no CT)",
         f"{grid.shape[2]} × {grid.shape[1]} × {grid.shape[0]} voxels of {x:.3g} × {y:.3g} × {z:.3g} mm"),
        ("Site", patient.site or "not stated"),
        ("Technique", patient.technique or "not stated"),
        ("Beams", _beams(patient)),
        ("Fractions", str(patient.fractions) if patient.fractions else "not stated"),
    ]  # fmt: skip
    headings = ["Structure", "Taken for (TG-263)", "Role", "Prescribed, Gy", "Volume, cc"]
    return section("Inputs", definitions(facts), table(headings, rows, numbers_from=3))


def _beams(patient: Patient) -> str:
    if patient.beams is None:
        return "not stated"
    angles = [f"{beam.gantry_deg:g}°" for beam in patient.beams.beams]
    if len(angles) > 16:
        return f"{len(angles)} directions, gantry {angles[0]} to {angles[-1]}"
    turned = any(beam.couch_deg for beam in patient.beams.beams)
    return f"{len(angles)} fields, gantry {', '.join(angles)}" + (", couch turned" if turned else "")


def provenance_section(doses: Sequence[NamedDose]) -> str:
    """Who predicted what with which weights."""
    parts = []
    for dose in doses:
        if dose.provenance is None:
            continue
        known = dose.provenance
        seconds = known.get("seconds")
        total = seconds.get("total") if isinstance(seconds, Mapping) else None
        versions = known.get("versions")
        companions = known.get("companions")
        listed = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, Mapping) else ""
        facts = [
            ("System", _known(known, "system")),
            ("Weights", _known(known, "weights")),
            ("SHA-256 of the weights", _known(known, "weights_sha256")),
            ("Sampled with", ", ".join(map(str, companions)) if isinstance(companions, (list, tuple)) else ""),
            ("Trained on", _known(known, "trained_on")),
            ("Samples, steps, seed", ", ".join(_known(known, key) for key in ("samples", "steps", "seed"))),
            ("Device", ", ".join(dict.fromkeys((_known(known, "device_name"), _known(known, "device"))))),
            ("Time", f"{total:.1f} s" if isinstance(total, (int, float)) else "not stated"),
            ("Versions", listed or "not stated"),
        ]
        parts.append((f"<h3>{escape(dose.name)}</h3>" if len(doses) > 1 else "") + definitions(facts))
    return section("How it was predicted", *parts) if parts else ""


def _known(provenance: Mapping[str, Any], key: str) -> str:
    value = provenance.get(key)
    return "not stated" if value in (None, "") else str(value)


def definitions(facts: Sequence[tuple[str, str]]) -> str:
    """Terms and what they are."""
    return '<dl class="facts">' + "".join(f"<dt>{escape(t)}</dt><dd>{escape(d)}</dd>" for t, d in facts if d) + "</dl>"
