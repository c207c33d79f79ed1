"""What a conditioned case holds, in a few letters: what was made from it is kept under this and not under its name."""

from __future__ import annotations

import hashlib

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput


def inputs_digest(inputs: ModelInput) -> str:
    """Twelve hexadecimal digits of all that a network gets for a patient, the voxels and the grid they lie on.

    Equal for equal content: of a case from the cache and of one that was just conditioned.
    """
    grid = inputs.geometry
    facts = (
        inputs.names, float(inputs.prescription_gy), inputs.technique, inputs.site, inputs.channels.shape,
        str(inputs.channels.dtype), tuple(map(float, (*grid.spacing_mm, *grid.origin_mm, *grid.direction))),
    )  # fmt: skip
    digest = hashlib.sha256(repr(facts).encode())
    for array in (inputs.channels, inputs.scalars, inputs.region):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:12]
