"""The figures that papers on dose prediction report of one patient: prediction against reference.

The set is that of ADDiff-Dose (Xie et al., arXiv 2508.02043, tables 2 and 3), which names figures without defining
them all:

- MAE: mean absolute difference over a mask that stands in the figure's structure column (the data's dose region, or the
  body). The paper doesn't say its mask, and gives doses divided by ten: its 0.101 stands for about 1 Gy.
- Dice and HD95: "of the dose distributions"; here of isodose volumes at several levels of the prescription, and their
  mean over the levels (NaN where a level isn't reached).
- D98, D2, Dmax, Dmean, HI, CI of the highest target ("the target receiving the highest dose was selected").
- Of organs: Dmax, D0.03cc, Dmean and the volumes V20Gy of lungs, V30Gy of heart and esophagus.
- Compliance: how many of the goals that apply are met, %; of those that can be judged in both doses.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goals import GoalResult, GoalSet, GoalStructures, Verdict, evaluate_goals
from DosePredictionLib.dosimetry.indices import conformity_index_paddick, homogeneity_index
from DosePredictionLib.dosimetry.isodose import USUAL_LEVELS_PERCENT, isodose_agreement
from DosePredictionLib.dosimetry.part_on_dose import part_on_dose
from DosePredictionLib.dosimetry.voxel_statistics import comparison_mask, voxel_statistics
from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import write_json
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

COLUMNS = ("patient", "figure", "structure", "unit", "reference", "predicted", "difference")
COMPLIANCE = "Compliance"
#: Volumes at a dose that are reported of an organ, by the beginning of its TG-263 name.
_VOLUMES_GY = {"Lung": 20.0, "Heart": 30.0, "Esophagus": 30.0}


@dataclass(frozen=True)
class PlanFigure:
    """One figure of one patient.

    Attributes:
        patient: its identifier.
        name: "MAE", "Dice 95%", "D98%" ...
        structure: TG-263 name, "highest target", a mask in words, or "" for the whole dose.
        unit: "Gy", "mm", "%" or "" for none.
        reference: of the reference dose; NaN for figures that compare.
        predicted: of the predicted dose, or what the comparison gives.
    """

    patient: str
    name: str
    structure: str
    unit: str
    reference: float
    predicted: float

    @property
    def difference(self) -> float:
        """Predicted minus reference; of comparisons themselves."""
        return self.predicted if math.isnan(self.reference) else self.predicted - self.reference

    @property
    def value(self) -> float:
        """What is averaged and tested: the absolute difference; of comparisons and of compliance the figure itself."""
        if math.isnan(self.reference) or self.name == COMPLIANCE:
            return self.predicted
        return abs(self.difference)

    @property
    def key(self) -> str:
        """What the figure goes by across patients."""
        return self.name if self.name == "MAE" else f"{self.name} {self.structure}".strip()


def plan_figures(patient: Patient, dose: Volume, goals: GoalSet | None = None) -> list[PlanFigure]:
    """All figures of a patient.

    Of targets and organs that reach beyond the reference dose's grid the doses are those in the part on it.

    Args:
        patient: with its reference dose and at least one target with a prescription.
        dose: the prediction, Gy.
        goals: for the compliance; None for none.

    Raises:
        InputError: the patient has no reference dose or no prescription.
    """
    reference = patient.reference_dose
    if reference is None or not patient.targets or not patient.prescription_gy:
        raise InputError(
            f"{patient.identifier} has no reference dose or no target with a prescription, so its plan has no figures; "
            "add what is missing."
        )
    nan = float("nan")
    found: list[PlanFigure] = []

    def add(name: str, structure: str, unit: str, expected: float, predicted: float) -> None:
        found.append(PlanFigure(patient.identifier, name, structure, unit, expected, predicted))

    mask, inside = comparison_mask(patient, reference.geometry, reference)
    add("MAE", mask, "Gy", nan, voxel_statistics(reference, dose, inside, mask).mae_gy)
    levels = isodose_agreement(reference, dose, patient.prescription_gy, USUAL_LEVELS_PERCENT)
    for name, unit, values in (
        ("Dice", "", [level.dice for level in levels]),
        ("HD95", "mm", [level.hd95_mm for level in levels]),
    ):
        for level, value in zip(levels, values, strict=True):
            add(f"{name} {level.level_percent:g}%", "", unit, nan, value)
        there = [value for value in values if not math.isnan(value)]
        add(f"{name} mean", "", unit, nan, float(np.mean(there)) if there else nan)
    target = patient.targets[0]
    part = part_on_dose(target, reference)
    pair = compute_dvh(reference, part), compute_dvh(dose, part)
    for name in ("D98%", "D2%", "Dmax", "Dmean", "HI"):
        values_of_both = [_TARGET[name](dvh) for dvh in pair]
        add(name, "highest target", "" if name == "HI" else "Gy", *values_of_both)
    prescribed = target.prescription_gy or patient.prescription_gy
    # Of the whole target and both isodoses as they are: cut at the grid, they would not be what the index is made of.
    both = [conformity_index_paddick(one, target, prescribed, dvh=dvh if part is target else None)
            for one, dvh in zip((reference, dose), pair, strict=True)]  # fmt: skip
    add("CI", "highest target", "", *both)
    for organ in _organs(patient, reference):
        pair = compute_dvh(reference, organ), compute_dvh(dose, organ)
        label = organ.standard_name or organ.name
        add("Dmax", label, "Gy", pair[0].max_gy, pair[1].max_gy)
        add("D0.03cc", label, "Gy", *(dvh.dose_at_volume_cc(0.03) for dvh in pair))
        add("Dmean", label, "Gy", pair[0].mean_gy, pair[1].mean_gy)
        for begins, threshold_gy in _VOLUMES_GY.items():
            if label.startswith(begins):
                add(f"V{threshold_gy:g}Gy", label, "%", *(dvh.volume_at_dose_percent(threshold_gy) for dvh in pair))
    if goals is not None:
        named = GoalStructures(patient)
        results = [evaluate_goals(goals, patient, one, {}, named) for one in (reference, dose)]
        # A structure that one dose tells nothing about is judged in neither.
        judged = [pair for pair in zip(*results, strict=True) if all(map(_judged, pair))]
        add(COMPLIANCE, "", "%", _percent_met([one for one, _ in judged]), _percent_met([other for _, other in judged]))
    return found


def compliance_percent(
    patient: Patient, dose: Volume, goals: GoalSet, structures: GoalStructures | None = None
) -> float:
    """How many of the goals that apply to a patient a dose meets, %; NaN when none applies."""
    return _percent_met([result for result in evaluate_goals(goals, patient, dose, {}, structures) if _judged(result)])


def _judged(result: GoalResult) -> bool:
    return result.verdict is not Verdict.NOT_APPLICABLE


def _percent_met(judged: Sequence[GoalResult]) -> float:
    met = sum(result.verdict is Verdict.PASS for result in judged)
    return 100.0 * met / len(judged) if judged else float("nan")


_TARGET = {
    "D98%": lambda dvh: dvh.dose_at_volume_percent(98.0),
    "D2%": lambda dvh: dvh.dose_at_volume_percent(2.0),
    "Dmax": lambda dvh: dvh.max_gy,
    "Dmean": lambda dvh: dvh.mean_gy,
    "HI": homogeneity_index,
}


def _organs(patient: Patient, reference: Volume) -> list[Structure]:
    """The parts of organs that lie on the reference dose's grid."""
    parts = (part_on_dose(organ, reference) for organ in patient.with_role(StructureRole.OAR))
    return [part for part in parts if part.mask.array.any()]


def write_plan_figures(figures: Iterable[PlanFigure], path: str | Path) -> None:
    """Write a row a figure (`COLUMNS`); cells without a value stay empty.

    Raises:
        InputError: the file can't be written.
    """
    rows = []
    for one in figures:
        numbers = [number_cell(value, ".4f") for value in (one.reference, one.predicted, one.difference)]
        rows.append([one.patient, one.name, one.structure, one.unit, *numbers])
    write_csv(path, COLUMNS, rows)


def read_plan_figures(path: str | Path) -> list[PlanFigure]:
    """Read what `write_plan_figures` wrote.

    Raises:
        InputError: there is no such file, or it isn't one of those.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        return [
            PlanFigure(row["patient"], row["figure"], row["structure"], row["unit"], _number(row["reference"]),
                       _number(row["predicted"]))
            for row in rows
        ]  # fmt: skip
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; evaluate with --plan-figures writes it.") from error
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no table of plan figures; evaluate with --plan-figures writes one.") from error


def summarise(figures: Sequence[PlanFigure]) -> dict[str, dict[str, float | int | None]]:
    """Mean of `PlanFigure.value` over the patients and its standard error, by `PlanFigure.key`.

    One patient alone tells no standard error: it is None.
    """
    values: dict[str, list[float]] = {}
    for one in figures:
        if not math.isnan(one.value):
            values.setdefault(one.key, []).append(one.value)
    return {
        key: {
            "mean": round(float(np.mean(some)), 4),
            "standard_error": round(float(np.std(some, ddof=1) / len(some) ** 0.5), 4) if len(some) > 1 else None,
            "patients": len(some),
        }
        for key, some in values.items()
    }


def write_summary(figures: Sequence[PlanFigure], path: str | Path) -> None:
    """Write `summarise` as JSON.

    Raises:
        InputError: the file can't be written.
    """
    write_json(path, summarise(figures))


def _number(text: str) -> float:
    return float(text) if text else float("nan")
