"""The beam arrangement of a plan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.patient.geometry import vector3


@dataclass(frozen=True)
class Beam:
    """One static field, or one control point of an arc (IEC 61217 angles, head first supine).

    Attributes:
        gantry_deg: gantry angle; 0 has the source anterior, 90 at the patient's left.
        couch_deg: patient support angle.
    """

    gantry_deg: float
    couch_deg: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gantry_deg", float(self.gantry_deg))
        object.__setattr__(self, "couch_deg", float(self.couch_deg))

    @property
    def to_source(self) -> np.ndarray:
        """Unit vector from the isocentre to the source, LPS."""
        gantry, couch = np.radians(self.gantry_deg), np.radians(self.couch_deg)
        # At couch 0 the source turns in the axial plane; turning the couch turns that plane about the vertical axis.
        return np.array([np.sin(gantry) * np.cos(couch), -np.cos(gantry), -np.sin(gantry) * np.sin(couch)])


@dataclass(frozen=True)
class BeamArrangement:
    """All beams of a plan.

    Attributes:
        beams: the fields.
        isocentre_mm: LPS (x, y, z); None means the centroid of all targets.
    """

    beams: tuple[Beam, ...]
    isocentre_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "beams", tuple(self.beams))
        if self.isocentre_mm is not None:
            object.__setattr__(self, "isocentre_mm", vector3(self.isocentre_mm, "isocentre"))

    @classmethod
    def coplanar(cls, gantry_deg: tuple[float, ...]) -> BeamArrangement:
        """Coplanar fields at the given gantry angles about the targets' centroid."""
        return cls(tuple(Beam(angle) for angle in gantry_deg))


#: OpenKBP's plans: nine coplanar fields every 40 degrees (Babier et al., Med. Phys. 48, 2021).
OPENKBP_BEAMS = BeamArrangement.coplanar(tuple(range(0, 360, 40)))
