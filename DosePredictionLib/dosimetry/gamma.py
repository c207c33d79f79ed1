"""Gamma analysis, with pymedphys."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry, index3, vector3
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import occupied_box

NOT_AVAILABLE = (
    "Gamma needs the package pymedphys, which is not installed; install it (pip install pymedphys, for Python below "
    "3.13), or do without gamma (--gamma-points 0)."
)
#: Points below this dose, in % of the reference dose's maximum, are left out (TG-218 recommends 10 %).
THRESHOLD_PERCENT = 10.0
#: The search ends a little beyond a gamma of 1: whether a point passes is all that is asked, and the time grows with
#: the cube of the distance searched.
HIGHEST_GAMMA = 1.05
#: A gamma above 1 by no more than this is 1.
ROUNDING = 1e-6
#: The dose searched through is interpolated in steps of this part of the distance criterion.
STEPS_PER_DISTANCE = 10
#: The dose searched through reaches so far beyond the reference, as zeros where it has no voxels.
MARGIN_MM = 12.0
#: Bytes that pymedphys may take at once; with 256 MB, more than stays near the processor, it is up to a quarter slower.
MEMORY_BYTES = 2**24


@dataclass(frozen=True)
class GammaCriterion:
    """What counts as agreement.

    Attributes:
        dose_percent: of the reference dose's maximum (global) or of the reference dose at the point itself (local).
        distance_mm: distance to agreement.
        local: whether ``dose_percent`` is local.
    """

    dose_percent: float
    distance_mm: float
    local: bool = False

    @property
    def text(self) -> str:
        """As it is usually written: "3 %/3 mm global"."""
        return f"{self.dose_percent:g} %/{self.distance_mm:g} mm {'local' if self.local else 'global'}"


#: 3 %/3 mm and 2 %/2 mm, each with both normalisations.
USUAL_CRITERIA = (
    GammaCriterion(3.0, 3.0), GammaCriterion(3.0, 3.0, local=True),
    GammaCriterion(2.0, 2.0), GammaCriterion(2.0, 2.0, local=True),
)  # fmt: skip


@dataclass(frozen=True)
class GammaResult:
    """How a dose agrees with a reference.

    Attributes:
        criterion: what counted as agreement.
        pass_percent: points with a gamma of 1 or less, in % of those looked at; NaN when there was none.
        points: how many points of the reference grid were looked at.
        eligible_points: how many reach the threshold dose.
        threshold_gy: the threshold dose.
        seconds: wall-clock time that it took.
    """

    criterion: GammaCriterion
    pass_percent: float
    points: int
    eligible_points: int
    threshold_gy: float
    seconds: float

    @property
    def standard_error_percent(self) -> float:
        """How far the pass rate of all points may lie from that of a random subset; 0 where all were looked at.

        The binomial standard error, with one point more that passes and one that fails (Agresti and Coull, Am. Stat.
        52, 1998), since a subset that passes as a whole is no proof that all pass.
        """
        if self.points >= self.eligible_points or not self.points:
            return 0.0
        part = (self.pass_percent / 100.0 * self.points + 1.0) / (self.points + 2.0)
        return 100.0 * math.sqrt(part * (1.0 - part) / (self.points + 2.0))

    @property
    def pass_text(self) -> str:
        """The pass rate, "98.3 %", and with a random subset its standard error, "98.3 ± 0.2 %"."""
        error = self.standard_error_percent
        return f"{self.pass_percent:.1f}{f' ± {error:.1f}' if error else ''} %"


def gamma_analysis(
    reference: Volume,
    evaluated: Volume,
    criterion: GammaCriterion,
    *,
    points: int | None = None,
    seed: int = 0,
    threshold_percent: float = THRESHOLD_PERCENT,
) -> GammaResult:
    """Gamma of an evaluated dose at the voxels of a reference dose (Low et al., Med. Phys. 25, 1998).

    The evaluated dose is interpolated linearly between its own voxels where both grids point the same way, and is first
    brought onto the reference's directions where they don't; beyond its grid it is 0. (Its distance criterion must not
    exceed `MARGIN_MM`.)

    Args:
        reference: Gy; gamma is looked for at its voxels.
        evaluated: Gy; it is searched around each of these voxels.
        criterion: dose and distance.
        points: take so many voxels at random; None takes all of them.
        seed: of that choice.
        threshold_percent: voxels below this part of the reference's maximum are left out.

    Raises:
        InputError: pymedphys isn't installed, or the reference dose is zero everywhere.
    """
    gamma_of = _pymedphys_gamma()
    began = time.perf_counter()
    maximum_gy = float(reference.array.max())
    if not maximum_gy > 0.0:
        raise InputError("The reference dose is 0 everywhere, so there is no gamma; choose another reference dose.")
    threshold_gy = threshold_percent / 100.0 * maximum_gy
    part = _around(reference, threshold_gy)
    axes, shift_mm = _axes_mm(part.geometry), np.asarray(part.geometry.origin_mm)
    searched = _along(evaluated, part.geometry)
    searched_axes = _axes_mm(searched.geometry, np.asarray(searched.geometry.origin_mm) - shift_mm)

    eligible = int(np.count_nonzero(part.array >= threshold_gy))
    chosen = None if points is None or points >= eligible else points
    # pymedphys draws the subset from numpy's global generator and has no argument for a seed.
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        gamma = gamma_of(
            axes, part.array.astype(np.float64), searched_axes, searched.array.astype(np.float64),
            criterion.dose_percent, criterion.distance_mm,
            lower_percent_dose_cutoff=threshold_percent, interp_fraction=STEPS_PER_DISTANCE, max_gamma=HIGHEST_GAMMA,
            skip_once_passed=True, local_gamma=criterion.local, global_normalisation=maximum_gy, random_subset=chosen,
            ram_available=MEMORY_BYTES,
            # Its own interpolation needs numba, a hundred megabytes for nothing else.
            interp_algo="scipy",
        )  # fmt: skip
    finally:
        np.random.set_state(state)
    found = gamma[np.isfinite(gamma)]
    passed = 100.0 * float(np.mean(found <= 1.0 + ROUNDING)) if found.size else float("nan")
    return GammaResult(criterion, passed, int(found.size), eligible, threshold_gy, time.perf_counter() - began)


def gamma_is_available() -> bool:
    """Whether pymedphys is installed."""
    return find_spec("pymedphys") is not None


def _pymedphys_gamma():  # type: ignore[no-untyped-def]
    try:
        from pymedphys import gamma
    except ImportError as error:
        raise InputError(NOT_AVAILABLE) from error
    return gamma


def _around(reference: Volume, threshold_gy: float) -> Volume:
    """The part of the reference grid that holds all voxels above the threshold."""
    box = occupied_box(reference.array >= threshold_gy)
    if box is None:  # not reached: the maximum lies above any threshold below 100 %
        return reference
    array = reference.array[box]
    return Volume(array, reference.geometry.cropped((box[0].start, box[1].start, box[2].start), array.shape))


def _along(evaluated: Volume, reference: Geometry) -> Volume:
    """The evaluated dose on a grid along the reference's axes that reaches `MARGIN_MM` beyond the reference."""
    own = evaluated.geometry
    if not np.allclose(own.direction, reference.direction, atol=1e-5):
        # As fine as the finer of both, so that nothing the evaluated dose shows is lost.
        finest = min(own.spacing_mm)
        spacing = vector3(min(finest, wanted) for wanted in reference.spacing_mm)
        grid = Geometry(reference.shape, spacing, reference.origin_mm, reference.direction)
        return evaluated.on_grid(_covering(grid, reference))
    grid = _covering(own, reference)
    array = np.zeros(grid.shape, dtype=np.float32)
    start = np.rint(own.index_of_lps(np.asarray(grid.origin_mm))).astype(int)
    low = np.clip(start, 0, own.shape)
    high = np.clip(start + grid.shape, 0, own.shape)
    if (high > low).all():
        here = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
        array[here] = evaluated.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return Volume(array, grid)


def _covering(lattice: Geometry, reference: Geometry) -> Geometry:
    """The voxels of an endless lattice that cover another grid of the same directions and `MARGIN_MM` around it."""
    margin = MARGIN_MM / np.asarray(lattice.spacing_mm[::-1])
    first = lattice.index_of_lps(np.asarray(reference.origin_mm))
    last = lattice.index_of_lps(reference.lps_of_index(np.asarray(reference.shape, dtype=float) - 1.0))
    start = np.floor(first - margin).astype(int)
    return lattice.cropped(index3(start), index3(np.ceil(last + margin).astype(int) + 1 - start))


def _axes_mm(geometry: Geometry, shift_mm: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of the voxels along the grid's own axes (z, y, x), with a shift given in LPS."""
    own = np.asarray(geometry.direction).reshape(3, 3).T @ (np.zeros(3) if shift_mm is None else shift_mm)
    x, y, z = (own[a] + np.arange(geometry.shape[2 - a]) * geometry.spacing_mm[a] for a in range(3))
    return z, y, x
