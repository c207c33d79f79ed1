"""Dose-volume histograms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from DosePredictionLib.dosimetry.sampling import sample_dose
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume

#: Width of the histogram's bins. Dose and volume figures don't depend on it: they are read from the samples.
BIN_WIDTH_GY = 0.05


@dataclass(frozen=True, eq=False)
class Dvh:
    """The doses inside one structure, and what can be read from them.

    Every figure is NaN for a structure without volume.

    Attributes:
        structure_name: as the user's data call it.
        volume_cc: the structure's volume, that of its mask.
        bin_edges_gy: (n + 1,) edges of the histogram's bins, from 0 to just above the maximum.
        differential_cc: (n,) volume in each bin.
        min_gy: lowest dose among the samples.
        max_gy: highest dose among the samples. One point's dose; D0.03cc is what limits are usually put on.
        mean_gy: mean dose.
        samples_gy: doses of equal parts of the volume, ascending, float32.
        outside_dose_percent: part of the volume that lies outside the dose grid and counts as 0 Gy.
    """

    structure_name: str
    volume_cc: float
    bin_edges_gy: np.ndarray
    differential_cc: np.ndarray
    min_gy: float
    max_gy: float
    mean_gy: float
    samples_gy: np.ndarray = field(repr=False)
    outside_dose_percent: float = 0.0

    def dose_at_volume_percent(self, percent: float) -> float:
        """D_x%: the dose that the hottest ``percent`` % of the structure receives at least, Gy (ICRU Report 83, 2010).

        Between two samples the dose is interpolated linearly, each sample standing in the middle of its volume
        (Hazen's plotting position); beyond the outermost samples it is their dose.
        """
        if not 0.0 <= percent <= 100.0:
            raise ValueError(f"a part of a structure lies between 0 and 100 %, not at {percent}")
        return self._dose_at_hottest_fraction(percent / 100.0)

    def dose_at_volume_cc(self, volume_cc: float) -> float:
        """D_xcc: the dose that the hottest ``volume_cc`` cubic centimetres receive at least, Gy.

        For a structure smaller than ``volume_cc`` this is its minimum: all of it receives at least that.
        """
        if volume_cc < 0.0:
            raise ValueError(f"a volume is not negative, as {volume_cc} cc is")
        if self.samples_gy.size == 0:
            return float("nan")
        return self._dose_at_hottest_fraction(min(1.0, volume_cc / self.volume_cc))

    def volume_at_dose_percent(self, dose_gy: float) -> float:
        """V_xGy: the part of the structure that receives at least ``dose_gy``, in %."""
        return float(self._percent_at_or_above(np.asarray(dose_gy)))

    def volume_at_dose_cc(self, dose_gy: float) -> float:
        """V_xGy: the volume that receives at least ``dose_gy``, in cubic centimetres."""
        return self.volume_at_dose_percent(dose_gy) * self.volume_cc / 100.0

    def cumulative_percent(self, dose_gy: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The cumulative DVH: doses in Gy and the volume in % that receives at least each of them.

        Args:
            dose_gy: the doses to read the curve at; None takes ``bin_edges_gy``, from 100 % down to 0.
        """
        doses = self.bin_edges_gy if dose_gy is None else np.asarray(dose_gy, dtype=float)
        return doses, self._percent_at_or_above(doses)

    def _dose_at_hottest_fraction(self, fraction: float) -> float:
        count = self.samples_gy.size
        if count == 0:
            return float("nan")
        rank = min(max((1.0 - fraction) * count - 0.5, 0.0), count - 1.0)
        below = int(rank)
        above = min(below + 1, count - 1)
        low, high = float(self.samples_gy[below]), float(self.samples_gy[above])
        return low + (rank - below) * (high - low)

    def _percent_at_or_above(self, dose_gy: np.ndarray) -> np.ndarray:
        count = self.samples_gy.size
        if count == 0:
            return np.full(dose_gy.shape, np.nan)
        # The question is rounded as the samples are, or a uniform 56.3 Gy would have a V56.3Gy of 0.
        below = np.searchsorted(self.samples_gy, dose_gy.astype(np.float32), side="left")
        return np.asarray(100.0 * (count - below) / count)


def compute_dvh(dose: Volume, structure: Structure, *, bin_width_gy: float = BIN_WIDTH_GY) -> Dvh:
    """The DVH of a structure, from the dose interpolated linearly on the structure's own grid or finer.

    See `sample_dose` for where the dose is read, and for what counts as the structure.

    Args:
        dose: Gy, on any grid.
        structure: its mask may lie on another grid, reach beyond the dose, and be empty.
        bin_width_gy: width of the histogram's bins.

    Raises:
        InputError: the dose inside the structure is not a number somewhere.
    """
    samples = sample_dose(dose, structure.mask, structure.name)
    doses = np.sort(samples.dose_gy)
    if doses.size == 0:
        nan = float("nan")
        return Dvh(structure.name, 0.0, np.array([0.0, bin_width_gy]), np.zeros(1), nan, nan, nan, doses)
    lowest = min(0, int(np.floor(doses[0] / bin_width_gy)))
    # One edge lies above the highest dose, so that the cumulative curve ends at 0.
    highest = int(np.floor(doses[-1] / bin_width_gy)) + 1
    edges = np.arange(lowest, highest + 1) * bin_width_gy
    below = np.searchsorted(doses, edges.astype(np.float32), side="left")
    below[-1] = doses.size
    return Dvh(
        structure_name=structure.name,
        volume_cc=doses.size * samples.sample_volume_cc,
        bin_edges_gy=edges,
        differential_cc=np.diff(below) * samples.sample_volume_cc,
        min_gy=float(doses[0]),
        max_gy=float(doses[-1]),
        mean_gy=float(doses.mean(dtype=np.float64)),
        samples_gy=doses,
        outside_dose_percent=100.0 * samples.outside_dose_fraction,
    )
