"""Homogeneity and conformity of the dose in a target."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.sampling import sample_dose
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import occupied_box


def homogeneity_index(dvh: Dvh) -> float:
    """(D2% - D98%) / D50%; 0 for a uniform dose (ICRU Report 83, 2010).

    NaN for an empty structure and where D50% is 0.
    """
    median = dvh.dose_at_volume_percent(50.0)
    if not median > 0.0:
        return float("nan")
    return (dvh.dose_at_volume_percent(2.0) - dvh.dose_at_volume_percent(98.0)) / median


def conformity_index_paddick(
    dose: Volume, structure: Structure, prescription_gy: float, *, dvh: Dvh | None = None
) -> float:
    """Paddick's conformity index: 1 when the prescription isodose is the target, 0 when they don't meet.

    (volume of target within the isodose)^2 / (volume of target * volume within the isodose)
    (Paddick, J. Neurosurg. 93 Suppl. 3, 2000, 219-222).

    Args:
        dose: Gy; all of its grid counts, not only the body.
        structure: the target.
        prescription_gy: the target's own prescribed dose.
        dvh: the target's DVH, when the caller has it already.

    Returns:
        0..1; NaN for an empty target.
    """
    dvh = compute_dvh(dose, structure) if dvh is None else dvh
    if not dvh.volume_cc > 0.0:
        return float("nan")
    isodose_cc = isodose_volume_cc(dose, prescription_gy)
    if isodose_cc == 0.0:
        return 0.0
    covered_cc = dvh.volume_at_dose_cc(prescription_gy)
    return covered_cc**2 / (dvh.volume_cc * isodose_cc)


def isodose_volume_cc(dose: Volume, dose_gy: float) -> float:
    """Volume that receives at least ``dose_gy``, in cubic centimetres, of the dose interpolated linearly."""
    from scipy.ndimage import binary_dilation

    reached = dose.array >= dose_gy
    box = occupied_box(reached)
    if box is None:
        return 0.0
    # The isosurface runs between the voxels that reach the dose and their neighbours that don't.
    grown = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
    near = binary_dilation(reached[grown], np.ones((3, 3, 3), bool))
    start = (grown[0].start, grown[1].start, grown[2].start)
    samples = sample_dose(dose, Volume(near, dose.geometry.cropped(start, near.shape)), f"{dose_gy:g} Gy isodose")
    return int(np.count_nonzero(samples.dose_gy >= np.float32(dose_gy))) * samples.sample_volume_cc
