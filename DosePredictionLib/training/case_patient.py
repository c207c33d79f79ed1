"""A conditioned training case as a patient again, so that goals can be asked of it."""

from __future__ import annotations

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


def patient_of(inputs: ModelInput, identifier: str = "") -> Patient:
    """The structures that the channels show, on the model's grid: each prescription level's target, and the organs.

    The body's contour is not among the channels (the region is where dose can be, which is less), nor is any other
    structure, so goals that need one find nothing to judge.
    """

    def mask(array: np.ndarray) -> Volume:
        return Volume(np.ascontiguousarray(array, dtype=np.uint8), inputs.geometry)

    prescription = inputs.channel("prescription")
    structures = [Structure("region", mask(inputs.region), StructureRole.DOSE_REGION)]
    for level in np.unique(prescription)[::-1]:
        if level > 0:
            # Levels are kept in half precision in a cache: 56 / 70 Gy comes back as 55.99.
            prescribed = round(float(level) * inputs.prescription_gy, 1)
            structures.append(
                Structure(f"PTV{prescribed:g}", mask(prescription == level), StructureRole.TARGET, None, prescribed)
            )
    for organ, array in inputs.organ_masks().items():
        if inputs.channel(organ).any():
            structures.append(Structure(organ, mask(array), StructureRole.OAR, organ))
    return Patient(
        identifier or "case", inputs.geometry, None, tuple(structures), technique=inputs.technique, site=inputs.site
    )
