"""A patient as the rest of the library sees one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.fractions import whole_fractions
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


@dataclass(frozen=True)
class Patient:
    """CT, structures and what is known of the plan.

    Attributes:
        identifier: a name for files and messages ("pt_201"); never a person's name.
        geometry: the CT's grid (or, without a CT, the grid of the structures); predictions come back on it.
        ct: HU on ``geometry``; None when the data hold no CT (some OpenKBP patients).
        structures: all structures, in the order of the data.
        fractions: number of fractions; None when unknown.
        technique: "IMRT", "VMAT", ...; None when unknown, as blanks are.
        site: "head-and-neck", ...; likewise.
        beams: the beam arrangement; None when unknown.
        reference_dose: clinical or reference dose in Gy on its own grid; None when there is none.
        warnings: what the reader found odd but could live with, one sentence each.
        frame_of_reference_uid: of the CT, where the data are DICOM; None when unknown.
        left_out: names of structures that the data name, but which bound no volume on the CT.

    Raises:
        InputError: the number of fractions is none (see `whole_fractions`), or technique or site is no text.
    """

    identifier: str
    geometry: Geometry
    ct: Volume | None
    structures: tuple[Structure, ...]
    fractions: int | None = None
    technique: str | None = None
    site: str | None = None
    beams: BeamArrangement | None = None
    reference_dose: Volume | None = None
    warnings: tuple[str, ...] = field(default=())
    frame_of_reference_uid: str | None = None
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "structures", tuple(self.structures))
        if self.fractions is not None:
            whole = whole_fractions(self.fractions, f"The number of fractions of {self.identifier}")
            object.__setattr__(self, "fractions", whole)
        for name in ("technique", "site"):
            object.__setattr__(self, name, _stated(getattr(self, name), f"The {name} of {self.identifier}"))

    def with_role(self, role: StructureRole) -> tuple[Structure, ...]:
        """All structures that play ``role``."""
        return tuple(structure for structure in self.structures if structure.role is role)

    @property
    def targets(self) -> tuple[Structure, ...]:
        """Targets, highest prescription first."""
        return tuple(sorted(self.with_role(StructureRole.TARGET), key=lambda s: -(s.prescription_gy or 0.0)))

    @property
    def prescription_gy(self) -> float:
        """The highest prescribed dose in Gy; 0 when no target has one."""
        return max((target.prescription_gy or 0.0 for target in self.targets), default=0.0)

    def standard(self, standard_name: str) -> Structure | None:
        """The organ at risk with this TG-263 name, or None.

        A structure that was given another role (ignored, only measured) is none, whatever it was taken for before.
        """
        return next((s for s in self.with_role(StructureRole.OAR) if s.standard_name == standard_name), None)

    def with_structures(self, structures: Iterable[Structure]) -> Patient:
        """The same patient with other structures."""
        return replace(self, structures=tuple(structures))


def _stated(text: object, what: str) -> str | None:
    if text is not None and not isinstance(text, str):
        raise InputError(f"{what} is {text!r}; give a text, or None.")
    return text if text and text.strip() else None
