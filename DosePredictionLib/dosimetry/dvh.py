"""Dose-volume histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from DosePredictionLib.dosimetry.sampling import DoseSamples, sample_doses
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
        volume_cc: the structure's volume: the parts of voxels inside its outline where that is known, else its mask's.
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

    @property
    def lies_outside_dose(self) -> bool:
        """Whether all of the structure lies beyond the dose grid: its dose is then not 0 but not known."""
        return self.outside_dose_percent >= 99.95

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

        For a structure smaller than ``volume_cc`` this is its minimum dose: the hottest ``volume_cc`` are then all
        of it, and all of it receives at least that. This is what the definition of D_V as the inverse of the cumulative
        DVH comes to (Drzymala et al., IJROBP 21, 1991, 71-78; AAPM TG-263, 2018). It is not a near-maximum: for such a
        structure ICRU Report 91 (2017, section 3) asks for the dose to a smaller volume (D_35mm3 for targets below
        2 cc); `max_gy` tells the maximum. dicompyler-core gives 0 Gy instead.
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

    def complement_volume_percent(self, dose_gy: float) -> float:
        """CV_xGy: the part of the structure that receives less than ``dose_gy``, in %."""
        return 100.0 - self.volume_at_dose_percent(dose_gy)

    def complement_volume_cc(self, dose_gy: float) -> float:
        """CV_xGy: the volume that receives less than ``dose_gy``, in cubic centimetres.

        What limits for parallel organs speak of: at least 1500 cc of the lungs below 12.5 Gy (AAPM TG-101, 2010).
        """
        return self.volume_cc - self.volume_at_dose_cc(dose_gy)

    def complement_dose_percent(self, percent: float) -> float:
        """DC_x%: the highest dose in the coldest ``percent`` % of the structure, Gy."""
        return self.dose_at_volume_percent(100.0 - percent)

    def complement_dose_cc(self, volume_cc: float) -> float:
        """DC_xcc: the highest dose in the coldest ``volume_cc`` cubic centimetres, Gy; the maximum of a smaller one."""
        if volume_cc < 0.0:
            raise ValueError(f"a volume is not negative, as {volume_cc} cc is")
        if self.samples_gy.size == 0:
            return float("nan")
        return self._dose_at_hottest_fraction(max(0.0, 1.0 - volume_cc / self.volume_cc))

    def differential_percent_per_gy(self) -> tuple[np.ndarray, np.ndarray]:
        """The differential DVH: centres of the bins in Gy, and the part of the volume there in % a Gy."""
        edges = self.bin_edges_gy
        share = self.differential_cc / self.volume_cc if self.volume_cc else np.full(len(edges) - 1, np.nan)
        return (edges[:-1] + edges[1:]) / 2.0, 100.0 * share / np.diff(edges)

    def cumulative_cc(self, dose_gy: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The cumulative DVH in cubic centimetres; see `cumulative_percent`."""
        doses, percent = self.cumulative_percent(dose_gy)
        return doses, percent * self.volume_cc / 100.0

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
        structure: `Structure.measured` is what counts; it may lie on another grid, reach beyond the dose, and be empty.
        bin_width_gy: width of the histogram's bins.

    Raises:
        InputError: the dose inside the structure is not a number somewhere.
    """
    return compute_dvhs([dose], structure, bin_width_gy=bin_width_gy)[0]


def compute_dvhs(doses: Sequence[Volume], structure: Structure, *, bin_width_gy: float = BIN_WIDTH_GY) -> list[Dvh]:
    """The DVHs of one structure in several doses (predicted and clinical), all read at the same points.

    Args:
        doses: Gy, each on its own grid.
        structure: see `compute_dvh`.
        bin_width_gy: width of the histograms' bins.

    Raises:
        InputError: a dose inside the structure is not a number somewhere.
    """
    return [
        _histogram(samples, structure.name, bin_width_gy)
        for samples in sample_doses(doses, structure.measured, structure.name)
    ]


def _histogram(samples: DoseSamples, name: str, bin_width_gy: float) -> Dvh:
    doses = np.sort(samples.dose_gy)
    if doses.size == 0:
        nan = float("nan")
        return Dvh(name, 0.0, np.array([0.0, bin_width_gy]), np.zeros(1), nan, nan, nan, doses)
    lowest = min(0, int(np.floor(doses[0] / bin_width_gy)))
    # One edge lies above the highest dose, so that the cumulative curve ends at 0.
    highest = int(np.floor(doses[-1] / bin_width_gy)) + 1
    edges = np.arange(lowest, highest + 1) * bin_width_gy
    below = np.searchsorted(doses, edges.astype(np.float32), side="left")
    below[-1] = doses.size
    return Dvh(
        structure_name=name,
        volume_cc=doses.size * samples.sample_volume_cc,
        bin_edges_gy=edges,
        differential_cc=np.diff(below) * samples.sample_volume_cc,
        min_gy=float(doses[0]),
        max_gy=float(doses[-1]),
        mean_gy=float(doses.mean(dtype=np.float64)),
        samples_gy=doses,
        outside_dose_percent=100.0 * samples.outside_dose_fraction,
    )
