"""A comparison of doses as CSV, as JSON, and as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from DosePredictionLib.csv_file import write_csv
from DosePredictionLib.dosimetry.comparison import DoseComparison
from DosePredictionLib.dosimetry.gamma import HIGHEST_GAMMA, THRESHOLD_PERCENT
from DosePredictionLib.dosimetry.goals import GoalResult, Verdict
from DosePredictionLib.dosimetry.tables import wrapped
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.json_file import write_json

_VOXEL_FIGURES = (
    ("MAE", "mae_gy"), ("mean difference", "mean_difference_gy"), ("RMSE", "rmse_gy"),
    ("95th percentile of |difference|", "p95_absolute_gy"), ("max |difference|", "max_absolute_gy"),
)  # fmt: skip

#: As in goals.csv.
GOAL_COLUMNS = ("tolerance", "priority", "source", "converted")


def write_comparison_csv(comparison: DoseComparison, path: str | Path) -> None:
    """Write a row a figure: kind, structure (or mask, or level), metric, unit, a value for each dose, differences.

    Of a goal there is a row of values, which says besides what `GOAL_COLUMNS` are, one of verdicts and one of reasons.

    Differences are to the reference dose; figures that are themselves comparisons (gamma, isodoses, voxels) stand in
    the column of the dose that is compared.

    Raises:
        InputError: the file can't be written.
    """
    differences = [f"{name} - {comparison.reference}" for name in comparison.names[1:]]
    header = ["kind", "structure", "metric", "unit", *comparison.names, *differences, *GOAL_COLUMNS]
    write_csv(path, header, ([*row, *("" for _ in range(len(header) - len(row)))] for row in _rows(comparison)))


def _rows(comparison: DoseComparison) -> Iterable[list[str]]:
    names = comparison.names
    for figure in comparison.figures:
        doses_gy = [figure.values_gy[name] for name in names]
        yield ["dvh", figure.structure, figure.metric, "Gy", *_with_differences(doses_gy, 3)]
    for structure, by_dose in comparison.outside_percent.items():
        parts = (_text(by_dose[name], 2) for name in names)
        yield ["dvh", structure, "outside the dose's grid", "%", *parts]
    for results in zip(*(comparison.goals[name] for name in names), strict=True) if comparison.goals else ():
        goal, label = results[0].goal, label_of(results)
        if all(result.verdict is Verdict.NOT_APPLICABLE for result in results):
            continue
        metric = f"{goal.metric.text} {goal.comparator} {goal.limit:g}"
        about = [_cell(value) for value in _about(results[0]).values()]
        yield ["goal", label, metric, results[0].unit, *_with_differences([r.value for r in results], 4), *about]
        yield ["verdict", label, metric, "", *(result.verdict.value for result in results)]
        yield ["reason", label, metric, "", *(result.reason for result in results)]
    for caption, field in _VOXEL_FIGURES:
        values = [_text(getattr(agreement.voxels, field), 4) for agreement in comparison.agreements]
        mask = comparison.agreements[0].voxels.mask if comparison.agreements else ""
        yield ["voxels", mask, caption, "Gy", "", *values]
    for found in zip(*(agreement.gamma for agreement in comparison.agreements), strict=True):
        caption = f"gamma {found[0].criterion.text} pass rate"
        yield ["gamma", _where(f"{found[0].threshold_gy:.2f} Gy or more", comparison), caption, "%", "",
               *(_text(result.pass_percent, 2) for result in found)]  # fmt: skip
    for levels in zip(*(agreement.isodoses for agreement in comparison.agreements), strict=True):
        level = f"{levels[0].level_percent:g} % ({levels[0].level_gy:.2f} Gy)"
        yield ["isodose", level, "volume", "cc", _text(levels[0].reference_cc, 2),
               *(_text(one.evaluated_cc, 2) for one in levels),
               *(_text(one.evaluated_cc - one.reference_cc, 2) for one in levels)]  # fmt: skip
        yield ["isodose", level, "Dice", "", "", *(_text(one.dice, 4) for one in levels)]
        yield ["isodose", level, "HD95", "mm", "", *(_text(one.hd95_mm, 2) for one in levels)]


def _about(result: GoalResult) -> dict[str, float | int | str | None]:
    """What a goal says besides its limit, by `GOAL_COLUMNS`; "converted" is how a limit was carried over by EQD2."""
    goal, conversion = result.goal, result.conversion
    known = (goal.tolerance, goal.priority, goal.source, None if conversion is None else conversion.text)
    return dict(zip(GOAL_COLUMNS, known, strict=True))


def _cell(value: float | int | str | None) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _where(words: str, comparison: DoseComparison) -> str:
    return f"{words} in the {comparison.region}" if comparison.region else words


#: Between two structures in one label.
JOINED = " / "


def label_of(results: Sequence[GoalResult]) -> str:
    """The structure of a goal's results; both where the best of several differs from dose to dose."""
    return JOINED.join(dict.fromkeys(result.structure_label for result in results))


def _with_differences(values: Sequence[float], decimals: int) -> list[str]:
    differences = [_text(value - values[0], decimals) for value in values[1:]]
    return [*(_text(value, decimals) for value in values), *differences]


def write_comparison_json(comparison: DoseComparison, path: str | Path) -> None:
    """Write everything but the DVHs' curves; figures without a value are null.

    Raises:
        InputError: the file can't be written.
    """
    write_json(path, comparison_content(comparison), allow_nan=False)


def comparison_content(comparison: DoseComparison) -> dict[str, Any]:
    """The comparison in plain types."""
    return _plain({
        "patient": comparison.patient,
        "reference": comparison.reference,
        "doses": list(comparison.names),
        "prescription_gy": comparison.prescription_gy,
        "dvh": [asdict(figure) for figure in comparison.figures],
        "outside_dose_percent": comparison.outside_percent,
        "goal_set": comparison.goal_set,
        "goals": {
            name: [
                {"structure": r.structure_label, "metric": r.goal.metric.text, "comparator": r.goal.comparator,
                 "limit": r.goal.limit, "unit": r.unit, "value": r.value, "verdict": r.verdict.value,
                 "reason": r.reason, **_about(r)}
                for r in results
            ]
            for name, results in comparison.goals.items()
        },
        "agreement": {
            agreement.name: {
                "voxels": asdict(agreement.voxels),
                "gamma": [
                    {"criterion": g.criterion.text, **{k: v for k, v in asdict(g).items() if k != "criterion"},
                     "standard_error_percent": g.standard_error_percent}
                    for g in agreement.gamma
                ],
                "isodoses": [asdict(level) for level in agreement.isodoses],
            }
            for agreement in comparison.agreements
        },
        "gamma_and_isodoses_in": comparison.region or "everywhere",
        "gamma_settings": {"threshold_percent_of_maximum": THRESHOLD_PERCENT, "search_ends_at_gamma": HIGHEST_GAMMA},
        "intended_use": INTENDED_USE,
    })  # fmt: skip


def _plain(value: Any) -> Any:
    """The same without NaN, and with numbers short enough to read."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def format_agreement(comparison: DoseComparison) -> str:
    """The agreement of each dose with the reference, for a terminal."""
    lines = []
    for agreement in comparison.agreements:
        voxels = agreement.voxels
        lines.append(f"{agreement.name} against {comparison.reference}")
        lines.append(
            f"  MAE {voxels.mae_gy:.2f} Gy, mean difference {voxels.mean_difference_gy:+.2f} Gy, "
            f"RMSE {voxels.rmse_gy:.2f} Gy in the {voxels.mask}, {voxels.volume_cc:.0f} cc"
        )
        for gamma in agreement.gamma:
            share = "all" if gamma.points == gamma.eligible_points else f"{gamma.points} of"
            lines.append(
                f"  gamma {gamma.criterion.text:<18} {gamma.pass_text:>12} pass "
                f"({share} {gamma.eligible_points} voxels from {gamma.threshold_gy:.1f} Gy, {gamma.seconds:.1f} s)"
            )
        for level in agreement.isodoses:
            lines.append(
                f"  isodose {level.level_percent:3g} % ({level.level_gy:5.1f} Gy)  "
                f"Dice {_text(level.dice, 3) or '-':>5}  HD95 "
                + (f"{level.hd95_mm:4.1f} mm" if math.isfinite(level.hd95_mm) else "   -")
            )
    if comparison.region:
        lines.append(f"Gamma and isodoses: in the {comparison.region}.")
    if comparison.outside_note:
        lines.extend(wrapped(comparison.outside_note))
    return "\n".join([*lines, INTENDED_USE])


def _text(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if math.isfinite(value) else ""
