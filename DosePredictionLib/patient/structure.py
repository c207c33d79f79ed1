"""A contoured structure and the part it plays in the plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from DosePredictionLib.errors import InputError
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


#: Of what DVHs and figures are made, in the order of tables: not of where dose can be, nor of what was put aside.
MEASURED_ROLES = (StructureRole.TARGET, StructureRole.OAR, StructureRole.OTHER, StructureRole.EXTERNAL)


def structure_role(value: object, name: str) -> StructureRole:
    """A structure's role, which may be given by its word ("target").

    Raises:
        InputError: it is none.
    """
    try:
        return StructureRole(value)
    except ValueError:
        roles = ", ".join(known.value for known in StructureRole)
        raise InputError(f"{value!r} is no role ({name!r}); the roles are {roles}.") from None


@dataclass(frozen=True)
class Structure:
    """One structure.

    Attributes:
        name: as the user's data call it.
        mask: zeros and ones (uint8 or bool) on its own grid, which may be smaller, finer or coarser than the CT's, and
            may reach beyond it. Structures may overlap. Models see this. Where contours or a surface are known it is an
            `OutlinedMask`, and volumes and doses are `measured` by these.
        role: see `StructureRole`; its word ("target") becomes it.
        standard_name: TG-263 name, when one was recognised or given ("Parotid_L"); None otherwise.
        prescription_gy: for targets, the prescribed dose of the whole course in Gy; None otherwise.
        color: display colour, red, green, blue in 0..1, without the opacity that may follow; None when the data hold
            none.

    Raises:
        InputError: the role is none, or the prescription or the colour no numbers.
    """

    name: str
    mask: Volume
    role: StructureRole
    standard_name: str | None = None
    prescription_gy: float | None = None
    color: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", structure_role(self.role, self.name))
        if self.prescription_gy is not None:
            object.__setattr__(self, "prescription_gy", _plain_gy(self.prescription_gy, self.name))
        if self.color is not None:
            object.__setattr__(self, "color", _plain_color(self.color, self.name))

    @property
    def label(self) -> str:
        """The name to show: the user's own."""
        return self.name

    @property
    def measured(self) -> Volume:
        """What volumes and DVHs are taken from: the part of each voxel inside the outline, or else the mask."""
        return self.mask.occupancy if isinstance(self.mask, OutlinedMask) else self.mask


def _plain_gy(value: object, name: str) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"The prescription of {name} is {value!r}; give the dose of the whole course in Gy.") from None


def _plain_color(value: Iterable[float], name: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(part) for part in tuple(value)[:3])
    except (TypeError, ValueError):
        raise InputError(f"The colour of {name} is {value!r}; give red, green and blue in 0..1, or None.") from None
    return red, green, blue
