"""Whether two systems differ on the same patients: paired tests of their figures."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.plan_figures import PlanFigure
from DosePredictionLib.dosimetry.scorecard_table import PATIENT_TABLE, PERCENT
from DosePredictionLib.dosimetry.tables import wrapped
from DosePredictionLib.errors import InputError

COLUMNS = (
    "figure", "unit", "patients", "a_lower", "mean_a", "mean_b", "mean_difference", "t_p", "wilcoxon_p", "stars",
)  # fmt: skip
#: Tables of an evaluation with a row a patient and a column a figure.
SCORE_TABLES = ("scores.csv", "slices.csv")
#: What the figures of `paired_plan_figures` and of `paired_scores` are, for `format_paired_tests`.
PLAN_FIGURES_COMPARED = (
    "Means over the patients of the absolute difference from the reference; of MAE, Dice, HD95 and compliance, of the "
    "figure itself."
)
SCORES_COMPARED = (
    "Means over the patients: dose score, DVH score and DVH criteria are absolute differences from the reference, the "
    "rest are the figures themselves. The DVH score that evaluate prints, and the last row of its scores.csv, is the "
    "challenge's: a mean over all criteria of all patients, in which a patient with more structures counts for more."
)


@dataclass(frozen=True)
class PairedTest:
    """One figure of two systems.

    Attributes:
        figure: what was measured; of plan figures `PlanFigure.value`.
        unit: of it.
        patients: that have it in both.
        mean_a, mean_b: over these patients.
        t_p: two-sided p of the paired t-test; NaN for fewer than two patients, 1 where all differences are 0.
        wilcoxon_p: the same of Wilcoxon's signed-rank test, which asks for no normal differences.
        a_lower: patients in whom the first system's is lower.
    """

    figure: str
    unit: str
    patients: int
    mean_a: float
    mean_b: float
    t_p: float
    wilcoxon_p: float
    a_lower: int = 0

    @property
    def stars(self) -> str:
        """``*`` p < 0.05, ``**`` p < 0.01, ``***`` p < 0.001 of the t-test, as in papers."""
        return "".join("*" for limit in (0.05, 0.01, 0.001) if self.t_p < limit)


def paired_test(figure: str, unit: str, a: Mapping[str, float], b: Mapping[str, float]) -> PairedTest:
    """Test a figure of the patients that both have.

    Args:
        figure, unit: its names.
        a, b: by patient; NaN counts as missing.
    """
    from scipy.stats import ttest_rel, wilcoxon

    shared = [name for name in a if name in b and not math.isnan(a[name]) and not math.isnan(b[name])]
    first = np.array([a[name] for name in shared], dtype=float)
    second = np.array([b[name] for name in shared], dtype=float)
    nan = float("nan")
    means = (float(first.mean()), float(second.mean())) if shared else (nan, nan)
    lower = int(np.count_nonzero(first < second))
    if len(shared) < 2:
        return PairedTest(figure, unit, len(shared), *means, nan, nan, lower)
    if np.array_equal(first, second):
        return PairedTest(figure, unit, len(shared), *means, 1.0, 1.0)
    difference = first - second
    # The same difference in every patient has no spread to test against: it is as sure as can be.
    t_p = 0.0 if np.ptp(difference) <= 1e-9 * np.abs(difference).max() else float(ttest_rel(first, second).pvalue)
    return PairedTest(figure, unit, len(shared), *means, t_p, float(wilcoxon(first, second).pvalue), lower)


def paired_plan_figures(a: Sequence[PlanFigure], b: Sequence[PlanFigure]) -> list[PairedTest]:
    """Test every figure that both systems have, in the first one's order."""
    first, second = _by_figure(a), _by_figure(b)
    units = {one.key: one.unit for one in a}
    return [paired_test(key, units[key], values, second[key]) for key, values in first.items() if key in second]


def paired_scores(a: str | Path, b: str | Path) -> list[PairedTest]:
    """Test the scores of two evaluations' folders, how their doses change from slice to slice, and their scorecards.

    Raises:
        InputError: a table isn't there or isn't one that `evaluate` writes.
    """
    found = []
    for table in SCORE_TABLES:
        first, second = (_columns(Path(folder) / table) for folder in (a, b))
        for name, values in first.items():
            if name in second:
                unit = "" if name.endswith("_ratio") else "Gy"
                found.append(paired_test(name.removesuffix("_gy"), unit, values, second[name]))
    cards = [Path(folder) / PATIENT_TABLE for folder in (a, b)]
    if all(path.exists() for path in cards):
        percents = [_columns(path).get(PERCENT, {}) for path in cards]
        found.append(paired_test(PERCENT, "%", *percents))
    return found


def _columns(path: Path) -> dict[str, dict[str, float]]:
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["patient"] != "mean"]
        names = [name for name in (rows[0] if rows else ()) if name not in ("patient", "seconds")]
        return {
            name: {row["patient"]: float(row[name]) if row[name] else math.nan for row in rows} for name in names
        }  # fmt: skip
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; give a folder that evaluate wrote.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no table of evaluate; give a folder that evaluate wrote.") from error


def _by_figure(figures: Sequence[PlanFigure]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in figures:
        found.setdefault(one.key, {})[one.patient] = one.value
    return found


def write_paired_tests(tests: Sequence[PairedTest], path: str | Path) -> None:
    """Write a row a figure (`COLUMNS`).

    Raises:
        InputError: the file can't be written.
    """
    rows = []
    for one in tests:
        means = [number_cell(value, ".4f") for value in (one.mean_a, one.mean_b, one.mean_a - one.mean_b)]
        chances = [number_cell(p, ".3g") for p in (one.t_p, one.wilcoxon_p)]
        rows.append([one.figure, one.unit, one.patients, one.a_lower, *means, *chances, one.stars])
    write_csv(path, COLUMNS, rows)


def format_paired_tests(tests: Sequence[PairedTest], name_a: str, name_b: str, compared: str) -> str:
    """The tests for a terminal, with what the columns mean below.

    Args:
        tests: a line each.
        name_a, name_b: of the systems.
        compared: one sentence on what the figures are (`PLAN_FIGURES_COMPARED`, `SCORES_COMPARED`).
    """
    labels = [f"{one.figure} [{one.unit}]" if one.unit else one.figure for one in tests]
    width = max(map(len, labels), default=6)
    wide_a, wide_b = (max(12, len(name)) for name in (name_a, name_b))
    lines = [f"{'':{width}}  {name_a:>{wide_a}} {name_b:>{wide_b}}   p (t)    p (W)   n  A lower"]
    for label, one in zip(labels, tests, strict=True):
        lines.append(
            f"{label:{width}}  {one.mean_a:{wide_a}.3f} {one.mean_b:{wide_b}.3f} {one.t_p:8.2g} {one.wilcoxon_p:8.2g} "
            f"{one.patients:3d}  {one.a_lower:7d}  {one.stars}".rstrip()
        )
    told = (
        f"{compared} A lower: in how many of the n patients that of {name_a} is lower. Stars: p of the t-test below "
        "0.05 (*), 0.01 (**) or 0.001 (***), without correction for the number of figures."
    )
    return "\n".join([*lines, "", *wrapped(told)])
