"""From the spread of samples to a standard deviation that means something.

The spread of a few samples says where a model is unsure but not by how much it is wrong. What it is worth is measured
on validation patients: a table of the error's 68 % quantile over the predicted dose and the spread, scaled so that the
stated interval holds the truth as often as it says (split conformal prediction with a normalised score: Papadopoulos et
al., 2002; Lei et al., JASA 2018, section 5.2). Where samples differ more, the standard deviation is never smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from DosePredictionLib.dosimetry.openkbp_score import organ_criteria, target_criteria
from DosePredictionLib.inference.isotonic import non_decreasing
from DosePredictionLib.review.measures import mean_percent_where_dosed
from DosePredictionLib.review.thresholds import read_thresholds

#: Predicted dose over the prescription, at the table's rows.
DOSE_KNOTS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
SPREAD_COLUMNS = 6
#: Voxels of a patient that the table is made from; all would say the same more slowly.
VOXELS_PER_PATIENT = 20_000
#: A standard deviation is never said to be smaller than this.
SMALLEST_GY = 0.02
#: Spreads and errors are tabled as those of plans with this highest prescription.
SCALED_TO_GY = 70.0
#: Of the validation patients' mean standard deviations: what is above is unusual.
UNUSUAL_PERCENTILE = 90


@dataclass(frozen=True)
class ValidationCase:
    """What a validation patient tells of the error: the voxels of its dose region.

    Attributes:
        mean_gy, spread_gy, reference_gy: (V,) mean and standard deviation over the samples, and the clinical dose.
        prescription_gy: highest prescription.
        targets, organs: the indices of each one's voxels among these, of one at least; all that the patient has count,
            whatever they are called.
        spacing_mm: the voxel's edges.
    """

    mean_gy: np.ndarray
    spread_gy: np.ndarray
    reference_gy: np.ndarray
    prescription_gy: float
    targets: Sequence[np.ndarray]
    organs: Sequence[np.ndarray]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class UncertaintyCalibration:
    """How a spread becomes a standard deviation; kept in the weights' header.

    Attributes:
        spread_knots_gy: the table's columns; 0 alone where no spread was seen.
        sigma_gy: rows `DOSE_KNOTS`, columns ``spread_knots_gy``; half-width of the 68 % interval of a voxel's dose.
        voxel_95: the 95 % interval is this many of those half-widths.
        dvh_68, dvh_95: the same for a point of a dose-volume curve, in units of half the distance between the curves of
            mean + sigma and mean - sigma. Errors partly cancel over a structure, hence other factors.
        patients: that it was measured on.
        prescription_gy: that spreads and half-widths are scaled to: they grow with it, as the doses themselves do.
        unusual_percent: mean standard deviation, in % of the prescription where the dose is more than a little, that a
            tenth of these patients exceeded: such a prediction is less certain than usual. None in weights from before
            it was measured.
    """

    spread_knots_gy: tuple[float, ...]
    sigma_gy: tuple[tuple[float, ...], ...]
    voxel_95: float
    dvh_68: float
    dvh_95: float
    patients: int
    unusual_percent: float | None = None
    prescription_gy: float = SCALED_TO_GY

    def __post_init__(self) -> None:
        # Lists come out of JSON.
        object.__setattr__(self, "spread_knots_gy", tuple(self.spread_knots_gy))
        object.__setattr__(self, "sigma_gy", tuple(tuple(row) for row in self.sigma_gy))

    def standard_deviation(self, mean_gy: np.ndarray, spread_gy: np.ndarray, prescription_gy: float) -> np.ndarray:
        """The calibrated standard deviation in Gy, float32, of the shape of ``mean_gy``.

        It grows with the spread: where the table falls (few voxels of a patient differ so much between samples), its
        row is made to grow; beyond its last column the standard deviation is proportional to the spread. Of weights
        whose samples never differed it is the same whatever the spread, of which nothing is known.

        Args:
            mean_gy, spread_gy: mean and standard deviation over the samples.
            prescription_gy: highest prescription.
        """
        relative = np.asarray(mean_gy, dtype=float).reshape(-1) / prescription_gy
        relative = np.clip(relative, DOSE_KNOTS[0], DOSE_KNOTS[-1])
        scale = self.prescription_gy / prescription_gy
        spread = np.asarray(spread_gy, dtype=float).reshape(-1) * scale
        tabled = np.clip(spread, self.spread_knots_gy[0], self.spread_knots_gy[-1])
        last = self.spread_knots_gy[-1]
        beyond = np.maximum(spread / last, 1.0) if last > 0.0 else 1.0
        points = np.stack([relative, tabled], axis=-1)
        return (self._table(points) * beyond / scale).reshape(np.shape(mean_gy)).astype(np.float32)

    @cached_property
    def _table(self):  # type: ignore[no-untyped-def]
        from scipy.interpolate import RegularGridInterpolator

        # Weights from before tables were made to grow where they are fitted hold some that fall.
        knots, growing = self.spread_knots_gy, non_decreasing(np.array(self.sigma_gy))
        if len(knots) == 1:  # between which there is something to interpolate
            knots, growing = (knots[0], knots[0] + 1.0), np.hstack([growing, growing])
        return RegularGridInterpolator((DOSE_KNOTS, knots), growing)


@dataclass(frozen=True)
class Coverage:
    """How often the truth lies in the stated intervals, in percent.

    Attributes:
        voxel_68, voxel_95: of the voxels (each patient counts the same).
        dvh_68, dvh_95: of the scored points of the dose-volume curves.
        patients: how many were looked at.
        cross_validated: whether each patient was looked at with a table that had not seen it.
    """

    voxel_68: float
    voxel_95: float
    dvh_68: float
    dvh_95: float
    patients: int
    cross_validated: bool = field(default=False)


def fit_calibration(cases: Sequence[ValidationCase], seed: int = 0) -> UncertaintyCalibration:
    """The calibration that fits validation patients; each counts the same.

    Raises:
        ValueError: there is no case.
    """
    if not cases:
        raise ValueError("an uncertainty can't be calibrated without validation cases")
    relative, spread, error = _voxels(cases, np.random.default_rng(seed))
    knots = np.unique(np.round(np.quantile(spread, np.linspace(0.0, 0.99, SPREAD_COLUMNS)), 4))
    if knots[-1] < SMALLEST_GY:  # the samples don't differ at all, but for rounding
        knots = np.zeros(1)
    row = np.abs(relative[:, None] - np.array(DOSE_KNOTS)).argmin(axis=1)
    column = np.abs(spread[:, None] - knots).argmin(axis=1)
    table, counts = (np.zeros((len(DOSE_KNOTS), len(knots))) for _ in range(2))
    overall = float(np.quantile(error, 0.68))
    for i in range(len(DOSE_KNOTS)):
        in_row = error[row == i]
        row_quantile = float(np.quantile(in_row, 0.68)) if len(in_row) else overall
        for j in range(len(knots)):
            cell = error[(row == i) & (column == j)]
            # Cells with few voxels lean on their row.
            own = float(np.quantile(cell, 0.68)) if len(cell) else row_quantile
            counts[i, j] = len(cell) + 200
            table[i, j] = max((len(cell) * own + 200 * row_quantile) / counts[i, j], SMALLEST_GY)
    table = non_decreasing(table, counts)
    first = UncertaintyCalibration(tuple(knots), _rows(table), 1.0, 1.0, 1.0, len(cases))
    scores = np.abs(error) / first.standard_deviation(relative * SCALED_TO_GY, spread, SCALED_TO_GY)
    scale = max(float(np.quantile(scores, 0.68)), 1e-3)
    table = np.maximum(table * scale, SMALLEST_GY)
    voxel_95 = float(np.quantile(scores, 0.95)) / scale
    second = UncertaintyCalibration(tuple(knots), _rows(table), voxel_95, 1.0, 1.0, len(cases))
    sigmas = [_sigma(case, second) for case in cases]
    ratios = np.concatenate([_dvh_ratios(case, sigma) for case, sigma in zip(cases, sigmas, strict=True)])
    if not ratios.size:  # no structure at all: a point's interval is as wide as its voxels'
        ratios = scores / scale
    dosed_from = read_thresholds().by_id["uncertainty-high"]["dose_from_percent"]
    percents = [
        mean_percent_where_dosed(case.mean_gy, sigma, case.prescription_gy, dosed_from)
        for case, sigma in zip(cases, sigmas, strict=True)
    ]
    unusual = float(np.percentile([p for p in percents if not np.isnan(p)] or [100.0], UNUSUAL_PERCENTILE))
    return UncertaintyCalibration(
        tuple(float(knot) for knot in knots),
        _rows(table),
        round(voxel_95, 4),
        round(float(np.quantile(ratios, 0.68)), 4),
        round(float(np.quantile(ratios, 0.95)), 4),
        len(cases),
        round(unusual, 2),
    )


def coverage(cases: Sequence[ValidationCase], calibration: UncertaintyCalibration) -> Coverage:
    """How often the intervals of calibrated predictions hold the truth.

    Args:
        cases: whose ``spread_gy`` is calibrated already, as a prediction with calibrated weights returns it.
        calibration: of those weights.
    """
    return _coverage([(case, case.spread_gy, calibration) for case in cases], False)


def cross_validated_coverage(cases: Sequence[ValidationCase], folds: int = 5) -> Coverage:
    """The coverage on patients that the table had not seen: fitted on all folds but one, looked at on that one."""
    folds = min(folds, len(cases))
    looked_at = []
    for fold in range(folds):
        fitted = fit_calibration([case for index, case in enumerate(cases) if index % folds != fold])
        held_out = [case for index, case in enumerate(cases) if index % folds == fold]
        looked_at += [(case, _sigma(case, fitted), fitted) for case in held_out]
    return _coverage(looked_at, True)


def _coverage(
    looked_at: Sequence[tuple[ValidationCase, np.ndarray, UncertaintyCalibration]], cross_validated: bool
) -> Coverage:
    voxels, points = [], []
    for case, sigma, calibration in looked_at:
        ratio = np.abs(case.mean_gy - case.reference_gy) / np.maximum(sigma, SMALLEST_GY)
        voxels.append([np.mean(ratio <= 1.0), np.mean(ratio <= calibration.voxel_95)])
        ratios = _dvh_ratios(case, sigma)
        points += [[one <= calibration.dvh_68, one <= calibration.dvh_95] for one in ratios]
    in_68, in_95 = (100 * np.mean(voxels, axis=0)).round(1)
    dvh_68, dvh_95 = (100 * np.mean(np.reshape(points, (-1, 2)), axis=0)).round(1)
    return Coverage(float(in_68), float(in_95), float(dvh_68), float(dvh_95), len(looked_at), cross_validated)


def _voxels(cases: Sequence[ValidationCase], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Relative dose, spread and absolute error (Gy of `SCALED_TO_GY`) of as many voxels of each patient.

    Of a patient with fewer some are drawn twice: the others' would be thinned to them otherwise.
    """
    wanted = min(VOXELS_PER_PATIENT, max(len(case.mean_gy) for case in cases))
    relative, spread, error = [], [], []
    for case in cases:
        chosen = rng.choice(len(case.mean_gy), wanted, replace=len(case.mean_gy) < wanted)
        relative.append(np.clip(case.mean_gy[chosen] / case.prescription_gy, DOSE_KNOTS[0], DOSE_KNOTS[-1]))
        scale = SCALED_TO_GY / case.prescription_gy
        spread.append(case.spread_gy[chosen] * scale)
        error.append(np.abs(case.mean_gy - case.reference_gy)[chosen] * scale)
    return np.concatenate(relative), np.concatenate(spread), np.concatenate(error)


def _sigma(case: ValidationCase, calibration: UncertaintyCalibration) -> np.ndarray:
    return calibration.standard_deviation(case.mean_gy, case.spread_gy, case.prescription_gy)


def _dvh_ratios(case: ValidationCase, sigma: np.ndarray) -> np.ndarray:
    """The error of each scored DVH point over half the distance between the curves of mean +- sigma."""
    doses = (case.mean_gy, case.reference_gy, case.mean_gy + sigma, case.mean_gy - sigma)
    mean, reference, upper, lower = (_dvh_points(case, dose) for dose in doses)
    return np.abs(mean - reference) / np.maximum((upper - lower) / 2, SMALLEST_GY)


def _dvh_points(case: ValidationCase, dose_gy: np.ndarray) -> np.ndarray:
    """What the OpenKBP challenge scores of a structure, of all targets and organs, Gy."""
    dose = np.asarray(dose_gy, dtype=float)
    of_targets = [target_criteria(dose[inside]) for inside in case.targets]
    of_organs = [organ_criteria(dose[inside], case.spacing_mm) for inside in case.organs]
    return np.array([value for criteria in (*of_targets, *of_organs) for value in criteria.values()])


def _rows(table: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(value), 4) for value in row) for row in table)
