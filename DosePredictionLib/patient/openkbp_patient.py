"""An OpenKBP patient from its arrays, in whichever file they lay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from DosePredictionLib.patient.beams import OPENKBP_BEAMS
from DosePredictionLib.patient.naming import match_structure_name
from DosePredictionLib.patient.openkbp_axes import openkbp_geometry, openkbp_to_zyx
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume

OPENKBP_ORGANS = ("Brainstem", "SpinalCord", "RightParotid", "LeftParotid", "Esophagus", "Larynx", "Mandible")
OPENKBP_TARGETS = ("PTV56", "PTV63", "PTV70")
#: In the order of the bits of the packed files.
OPENKBP_STRUCTURES = (*OPENKBP_ORGANS, *OPENKBP_TARGETS)
DOSE_REGION_NAME = "possible_dose_mask"
#: The challenge stores HU + 1024, and 0 outside the body.
HU_OFFSET = 1024
FRACTIONS = 35

_COLORS = {
    "Brainstem": (0.2, 0.7, 0.3), "SpinalCord": (1.0, 0.85, 0.1), "RightParotid": (0.0, 0.6, 0.9),
    "LeftParotid": (0.5, 0.35, 0.9), "Esophagus": (0.75, 0.5, 0.25), "Larynx": (0.95, 0.55, 0.75),
    "Mandible": (0.85, 0.85, 0.75), "PTV56": (1.0, 0.65, 0.2), "PTV63": (1.0, 0.4, 0.1), "PTV70": (0.9, 0.05, 0.1),
    DOSE_REGION_NAME: (0.6, 0.6, 0.6),
}  # fmt: skip


def openkbp_patient(
    identifier: str,
    voxel_dimensions_mm: np.ndarray,
    masks: Mapping[str, np.ndarray],
    stored_ct: np.ndarray | None,
    dose_gy: np.ndarray | None,
) -> Patient:
    """Put a patient together; all arrays are 128 x 128 x 128 in the challenge's axes.

    Args:
        identifier: "pt_201".
        voxel_dimensions_mm: spacing along the challenge's axes.
        masks: booleans by the challenge's names; empty ones are left out.
        stored_ct: HU + 1024; None when the data hold no CT.
        dose_gy: the plan's dose; None when the data hold none.
    """
    geometry = openkbp_geometry(voxel_dimensions_mm)
    structures = []
    for name, mask in masks.items():
        if not mask.any():
            continue
        match = match_structure_name(name)
        volume = Volume(openkbp_to_zyx(mask).astype(np.uint8), geometry).cropped_to_nonzero()
        structures.append(
            Structure(name, volume, match.role, match.standard_name, match.prescription_gy, _COLORS.get(name))
        )
    ct = dose = None
    if stored_ct is not None:
        ct = Volume(openkbp_to_zyx(stored_ct).astype(np.int16) - np.int16(HU_OFFSET), geometry)
    if dose_gy is not None:
        dose = Volume(openkbp_to_zyx(dose_gy).astype(np.float32), geometry)
    return Patient(
        identifier, geometry, ct, tuple(structures), fractions=FRACTIONS, technique="IMRT", site="head-and-neck",
        beams=OPENKBP_BEAMS, reference_dose=dose,
    )  # fmt: skip
