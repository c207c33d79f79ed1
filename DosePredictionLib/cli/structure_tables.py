"""The tables of ``evaluate`` that look at each structure, and at the changes from slice to slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.roi_error import RoiError, roi_errors
from DosePredictionLib.dosimetry.slice_smoothness import SliceSmoothness, slice_smoothness
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume

CALIBRATED, UNCALIBRATED = "", "_uncalibrated"


@dataclass(frozen=True)
class DoseErrors:
    """One dose of one patient.

    Attributes:
        rois: errors by structure.
        slices: changes from slice to slice.
    """

    rois: tuple[RoiError, ...]
    slices: SliceSmoothness


@dataclass(frozen=True)
class StructureScores:
    """One patient's errors by structure.

    Attributes:
        identifier: the patient's.
        dose: of the predicted dose.
        uncalibrated: of the dose before the Adaptive Dose Calibration; None where there was none.
    """

    identifier: str
    dose: DoseErrors
    uncalibrated: DoseErrors | None = None

    @property
    def doses(self) -> list[tuple[str, DoseErrors]]:
        """Each dose with what its columns' names end in."""
        with_calibration = [(CALIBRATED, self.dose)]
        return with_calibration + ([(UNCALIBRATED, self.uncalibrated)] if self.uncalibrated is not None else [])


def score_structures(
    patient: Patient, region: np.ndarray, dose: Volume, uncalibrated: Volume | None = None
) -> StructureScores:
    """Errors of a patient with a clinical dose.

    Args:
        patient: with a reference dose.
        region: boolean on the patient's grid, where dose can be.
        dose: Gy.
        uncalibrated: Gy, before the calibration.
    """
    assert patient.reference_dose is not None
    reference = patient.reference_dose

    def errors(one: Volume) -> DoseErrors:
        predicted, clinical = (volume.on_grid(patient.geometry).array for volume in (one, reference))
        return DoseErrors(
            tuple(roi_errors(patient, one, reference)), slice_smoothness(predicted, clinical, region)
        )  # fmt: skip

    return StructureScores(
        patient.identifier, errors(dose), None if uncalibrated is None else errors(uncalibrated)
    )  # fmt: skip


def write_structure_tables(scores: Sequence[StructureScores], output: Path) -> None:
    """Write structures.csv (a row a patient, structure and figure) and slices.csv (a row a patient).

    Figures of a structure are the mean absolute error and the mean error over its voxels, and its DVH criteria, whose
    error is predicted minus clinical. With a calibration the last columns tell the same without it.
    """
    endings = [ending for ending, _ in scores[0].doses]
    columns = ["patient", "structure", "volume_cc", "figure", "clinical_gy"]
    columns += [f"{name}{ending}_gy" for ending in endings for name in ("predicted", "error")]
    rows = []
    for one in scores:
        # The same structures in the same order, whichever dose it is.
        for versions in zip(*(errors.rois for _, errors in one.doses), strict=True):
            whose = [one.identifier, versions[0].structure, f"{versions[0].volume_cc:.3f}"]
            rows.append([*whose, "MAE", "", *(cell for roi in versions for cell in ("", f"{roi.mae_gy:.4f}"))])
            rows.append([*whose, "mean error", "",
                         *(cell for roi in versions for cell in ("", f"{roi.mean_difference_gy:.4f}"))])  # fmt: skip
            for several in zip(*(roi.criteria for roi in versions), strict=True):
                cells = [cell for c in several for cell in (f"{c.predicted_gy:.4f}", f"{c.difference_gy:.4f}")]
                rows.append([*whose, several[0].name, f"{several[0].reference_gy:.4f}", *cells])
    write_csv(output / "structures.csv", columns, rows)
    columns = ["patient", "roughness_reference_gy"]
    columns += [f"{name}{ending}{unit}" for ending in endings
                for name, unit in (("roughness", "_gy"), ("roughness_ratio", ""), ("error_jump", "_gy"))]  # fmt: skip
    rows = []
    for one in scores:
        figures = [one.dose.slices.reference_gy]
        for _, errors in one.doses:
            figures += [errors.slices.predicted_gy, errors.slices.ratio, errors.slices.error_jump_gy]
        rows.append([one.identifier, *(number_cell(value, ".4f") for value in figures)])
    write_csv(output / "slices.csv", columns, rows)


def structure_summary(scores: Sequence[StructureScores]) -> dict[str, Any]:
    """Means over the patients for summary.json: by structure, over all structures, and from slice to slice.

    Criteria count by their absolute difference to the clinical dose's.
    """
    by_structure: dict[str, dict[str, list[float]]] = {}
    overall: dict[str, list[float]] = {}
    slices: dict[str, list[float]] = {}
    for one in scores:
        for ending, errors in one.doses:
            for roi in errors.rois:
                figures = by_structure.setdefault(roi.structure, {})
                figures.setdefault(f"mae{ending}_gy", []).append(roi.mae_gy)
                overall.setdefault(f"mae{ending}_gy", []).append(roi.mae_gy)
                for criterion in roi.criteria:
                    difference = abs(criterion.difference_gy)
                    figures.setdefault(f"{criterion.name}{ending}_gy", []).append(difference)
                    overall.setdefault(f"criteria{ending}_gy", []).append(difference)
            slices.setdefault(f"roughness_ratio{ending}", []).append(errors.slices.ratio)
            slices.setdefault(f"error_jump{ending}_gy", []).append(errors.slices.error_jump_gy)
    return {
        "all_structures": _means(overall),
        "structures": {name: _means(figures) for name, figures in sorted(by_structure.items())},
        "slices": _means(slices),
    }


def _means(figures: dict[str, list[float]]) -> dict[str, float]:
    # A ratio to a dose that changes nowhere is NaN; a mean of nothing is left out, as JSON has no word for it.
    known = {name: [value for value in values if not np.isnan(value)] for name, values in figures.items()}
    return {name: round(float(np.mean(values)), 4) for name, values in known.items() if values}
