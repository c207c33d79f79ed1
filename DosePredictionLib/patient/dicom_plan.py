"""What an RTPLAN says: prescription, fractions, technique, beams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.dicom_files import read_whole, told_as_damaged
from DosePredictionLib.patient.geometry import vector3

if TYPE_CHECKING:
    from pydicom import Dataset

#: An arc is represented by fields about this far apart.
ARC_STEP_DEG = 10.0
#: Isocentres nearer than this to each other are one.
_ONE_ISOCENTRE_MM = 1.0
#: Patient axes (x, y, z of LPS) from those of a patient who lies head first supine, by DICOM's patient position.
_TURNED = {
    "HFS": (1, 1, 1), "HFP": (-1, -1, 1), "FFS": (-1, 1, -1), "FFP": (1, -1, -1),
}  # fmt: skip


@dataclass(frozen=True)
class DicomPlan:
    """An RTPLAN's content, as far as a prediction needs it.

    Attributes:
        prescriptions_by_roi: dose of the whole course in Gy by ROI number.
        prescriptions_by_name: the same by a description, where no ROI is named ("PTV70" of a site's prescription).
        prescription_gy: highest dose that is prescribed to no structure (a point, a site); None when there is none.
        fractions: planned fractions of all fraction groups; None when the plan has none.
        technique: "VMAT", "IMRT", "3DCRT"; None when unknown, as for anything but photons.
        beams: angles as a patient lying head first supine would have them; None without treatment beams.
        beam_count: treatment beams.
        beam_numbers: the numbers by which doses of single beams refer to them; empty when a beam has none.
        warnings: what was odd, one sentence each.
    """

    prescriptions_by_roi: dict[int, float] = field(default_factory=dict)
    prescriptions_by_name: dict[str, float] = field(default_factory=dict)
    prescription_gy: float | None = None
    fractions: int | None = None
    technique: str | None = None
    beams: BeamArrangement | None = None
    beam_count: int = 0
    beam_numbers: frozenset[int] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def highest_gy(self) -> float | None:
        """The highest prescribed dose, of whatever kind; None when there is none."""
        doses = [*self.prescriptions_by_roi.values(), *self.prescriptions_by_name.values()]
        if self.prescription_gy is not None:
            doses.append(self.prescription_gy)
        return max(doses, default=None)


def read_plan(path: Path, ct_position: str = "") -> DicomPlan:
    """Read an RTPLAN.

    Args:
        path: the file.
        ct_position: PatientPosition of the CT, which stands in for a position that the plan doesn't give; "" when
            unknown.

    Raises:
        InputError: the file is damaged.
    """
    with told_as_damaged(path, "a plan"):
        return _plan(read_whole(path), ct_position.strip().upper())


def _plan(dataset: Dataset, ct_position: str) -> DicomPlan:
    if dataset.get("Modality") != "RTPLAN":
        raise ValueError("there is no plan in it")
    warnings: list[str] = []
    by_roi, by_name, rest = _prescriptions(dataset)
    groups = list(dataset.get("FractionGroupSequence") or [])
    beams_missing = not (dataset.get("BeamSequence") or dataset.get("IonBeamSequence"))
    if beams_missing and any(int(group.get("NumberOfBeams") or 0) for group in groups):
        raise ValueError("its beams are missing")
    planned = [int(group.NumberOfFractionsPlanned) for group in groups if group.get("NumberOfFractionsPlanned")]
    if len(planned) > 1:
        warnings.append(f"The plan has {len(planned)} fraction groups; their {sum(planned)} fractions were added up.")
    beams = _treatment_beams(dataset, groups)
    technique = None
    if dataset.get("IonBeamSequence"):
        warnings.append("The plan is one of protons or ions, for which no model here was trained.")
    elif any(str(beam.get("RadiationType") or "PHOTON") != "PHOTON" for beam in beams):
        kinds = sorted({str(beam.get("RadiationType")).lower() for beam in beams if beam.get("RadiationType")})
        warnings.append(f"The plan's radiation is {' and '.join(kinds)}, for which no model here was trained.")
    elif beams:
        technique = _technique(beams)
    elif dataset.get("ApplicationSetupSequence"):
        warnings.append("The plan is one of brachytherapy, for which no model here was trained.")
    arrangement = None
    if technique is not None:
        positions = _patient_positions(dataset, beams, ct_position, warnings)
        arrangement = _arrangement(beams, positions, warnings) if positions is not None else None
    numbers = frozenset(int(beam.BeamNumber) for beam in beams if beam.get("BeamNumber") is not None)
    return DicomPlan(
        by_roi, by_name, rest, sum(planned) or None, technique, arrangement, len(beams),
        numbers if len(numbers) == len(beams) else frozenset(), tuple(warnings),
    )  # fmt: skip


def _prescriptions(dataset: Dataset) -> tuple[dict[int, float], dict[str, float], float | None]:
    """Target prescriptions by ROI number, by description, and the highest of what is left."""
    by_roi: dict[int, float] = {}
    by_name: dict[str, float] = {}
    rest: list[float] = []
    for item in dataset.get("DoseReferenceSequence") or []:
        dose = item.get("TargetPrescriptionDose")
        if dose is None or str(item.get("DoseReferenceType") or "TARGET") != "TARGET" or not float(dose) > 0:
            continue
        dose_gy, roi = float(dose), item.get("ReferencedROINumber")
        name = str(item.get("DoseReferenceDescription") or "").strip()
        if roi is not None and str(item.get("DoseReferenceStructureType")) == "VOLUME":
            by_roi[int(roi)] = max(dose_gy, by_roi.get(int(roi), 0.0))
        elif name:
            by_name[name] = max(dose_gy, by_name.get(name, 0.0))
        else:
            rest.append(dose_gy)
    return by_roi, by_name, max(rest, default=None)


def _treatment_beams(dataset: Dataset, groups: Sequence[Dataset]) -> list[Dataset]:
    """Beams that treat and, where the fraction groups say so, are used."""
    every = list(dataset.get("BeamSequence") or dataset.get("IonBeamSequence") or [])
    treating = [beam for beam in every if str(beam.get("TreatmentDeliveryType") or "TREATMENT") == "TREATMENT"]
    used = {
        int(item.ReferencedBeamNumber) for group in groups for item in group.get("ReferencedBeamSequence") or []
        if item.get("BeamMeterset") is None or float(item.BeamMeterset) > 0
    }  # fmt: skip
    chosen = [beam for beam in treating if beam.get("BeamNumber") is not None and int(beam.BeamNumber) in used]
    return chosen or treating


def _technique(beams: Sequence[Dataset]) -> str:
    if any(_turns(beam) for beam in beams):
        return "VMAT"
    return "IMRT" if any(_leaves_move(beam) for beam in beams) else "3DCRT"


def _turns(beam: Dataset) -> bool:
    return any(str(point.get("GantryRotationDirection")) in ("CW", "CC") for point in beam.ControlPointSequence)


def _leaves_move(beam: Dataset) -> bool:
    openings = {
        tuple(float(value) for value in device.LeafJawPositions)
        for point in beam.ControlPointSequence for device in point.get("BeamLimitingDevicePositionSequence") or []
        if str(device.get("RTBeamLimitingDeviceType")).startswith("MLC")
    }  # fmt: skip
    return len(openings) > 1


def _patient_positions(
    dataset: Dataset, beams: Sequence[Dataset], ct_position: str, warnings: list[str]
) -> list[str] | None:
    """How the patient lies for each beam, by the setup that it refers to; None when it is unknown for one.

    A beam that refers to no setup has the only one. What the plan doesn't say comes from the CT, and is told.
    """
    setups = {
        str(item.get("PatientSetupNumber")): str(item.get("PatientPosition") or "").strip().upper()
        for item in dataset.get("PatientSetupSequence") or []
    }
    known = set(setups.values())
    only = known.pop() if len(known) == 1 else ""
    given = [setups.get(str(beam.get("ReferencedPatientSetupNumber")), "") or only for beam in beams]
    if not all(given):
        if not ct_position:
            warnings.append("Neither the plan nor the CT says how the patient lies, so its beams were passed over.")
            return None
        warnings.append(
            f"The plan does not say how the patient lies for its beams; the CT's position, {ct_position}, was taken."
        )
    elsewhere = sorted({position for position in given if position} - {ct_position})
    if elsewhere and ct_position:
        warnings.append(
            f"The patient lies in position {' and '.join(elsewhere)} in the plan, but {ct_position} in the CT; check "
            "which is right, for the beams were taken as the plan has them."
        )
    return [position or ct_position for position in given]


def _arrangement(
    beams: Sequence[Dataset], positions: Sequence[str], warnings: list[str]
) -> BeamArrangement | None:  # fmt: skip
    unknown = sorted(set(positions) - set(_TURNED))
    if unknown:
        warnings.append(
            f"The patient lies in position {' and '.join(unknown)}, for which the beam angles are not understood."
        )
        return None
    fields = [
        _as_supine(Beam(gantry, couch), position)
        for beam, position in zip(beams, positions, strict=True)
        for gantry, couch in _angles(beam.ControlPointSequence)
    ]  # fmt: skip
    points = [
        [float(value) for value in point.IsocenterPosition]
        for beam in beams for point in beam.ControlPointSequence if point.get("IsocenterPosition")
    ]  # fmt: skip
    isocentre = None
    if points:
        if np.ptp(np.array(points), axis=0).max() <= _ONE_ISOCENTRE_MM:
            isocentre = vector3(np.mean(points, axis=0))
        else:
            warnings.append("The plan has several isocentres; the targets' centroid was taken instead.")
    return BeamArrangement(tuple(fields), isocentre) if fields else None


def _angles(points: Iterable[Any]) -> list[tuple[float, float]]:
    """Gantry and couch angles of a beam: one pair for a static field, one about every 10 degrees for an arc."""
    gantry = couch = None
    direction = "NONE"
    travelled, cumulative, couches, start = 0.0, [0.0], [], None
    for point in points:
        # An attribute that is absent has not changed since the control point before.
        angle = float(point.GantryAngle) if point.get("GantryAngle") is not None else gantry
        couch = float(point.PatientSupportAngle) if point.get("PatientSupportAngle") is not None else couch
        couches.append(couch or 0.0)
        if gantry is None or angle is None:
            start = angle if start is None else start
        else:
            turn = (angle - gantry) % 360.0 if direction == "CW" else -((gantry - angle) % 360.0)
            travelled += turn if direction in ("CW", "CC") else 0.0
            cumulative.append(travelled)
        gantry = angle
        direction = str(point.get("GantryRotationDirection") or direction)
    if start is None:
        return []
    if abs(travelled) < 1e-6:
        return [(start % 360.0, couches[0])]
    count = int(np.ceil(abs(travelled) / ARC_STEP_DEG - 1e-9))
    # A whole turn ends where it began: the last field would be the first one again.
    stops = np.linspace(0.0, travelled, count + 1)[: count if abs(travelled) > 359.9 else None]
    return [(float((start + stop) % 360.0), couches[0]) for stop in stops]


def _as_supine(beam: Beam, position: str) -> Beam:
    """The angles with which the same field would reach a patient who lies head first supine."""
    if position == "HFS":
        return beam
    x, y, z = beam.to_source * np.array(_TURNED[position], dtype=float)
    if abs(z) < 1e-6:
        return Beam(round(float(np.degrees(np.arctan2(x, -y))) % 360.0, 6) % 360.0)
    gantry = float(np.degrees(np.arccos(np.clip(-y, -1.0, 1.0))))
    return Beam(round(gantry, 6), round(float(np.degrees(np.arctan2(-z, x))) % 360.0, 6) % 360.0)
