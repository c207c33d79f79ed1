"""A contoured structure and the part it plays in the plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.volume import Volume


class StructureRole(Enum):
    """What a structure is to the prediction."""

    TARGET = "target"
    OAR = "oar"
    EXTERNAL = "external"
    #: Where dose can be other than zero, when the data say so (OpenKBP's possible_dose_mask).
    DOSE_REGION = "dose_region"
    #: Measured (DVH) but not seen by the model.
    OTHER = "other"
    IGNORED = "ignored"


@dataclass(frozen=True)
class Structure:
    """One structure.

    Attributes:
        name: as the user's data call it.
        mask: zeros and ones (uint8 or bool) on its own grid, which may be smaller, finer or coarser than the CT's, and
            may reach beyond it. Structures may overlap. Models see this. Where contours or a surface are known it is an
            `OutlinedMask`, and volumes and doses are `measured` by these.
        role: see `StructureRole`.
        standard_name: TG-263 name, when one was recognised or given ("Parotid_L"); None otherwise.
        prescription_gy: for targets, the prescribed dose of the whole course in Gy; None otherwise.
        color: display colour, red, green, blue in 0..1; None when the data hold none.
    """

    name: str
    mask: Volume
    role: StructureRole
    standard_name: str | None = None
    prescription_gy: float | None = None
    color: tuple[float, float, float] | None = None

    @property
    def label(self) -> str:
        """The name to show: the user's own."""
        return self.name

    @property
    def measured(self) -> Volume:
        """What volumes and DVHs are taken from: the part of each voxel inside the outline, or else the mask."""
        return self.mask.occupancy if isinstance(self.mask, OutlinedMask) else self.mask
