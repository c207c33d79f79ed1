"""Several doses of one patient side by side, the first of them the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvhs
from DosePredictionLib.dosimetry.gamma import (
    NOT_AVAILABLE,
    USUAL_CRITERIA,
    GammaCriterion,
    GammaResult,
    gamma_analysis,
    gamma_is_available,
)
from DosePredictionLib.dosimetry.goals import GoalResult, GoalSet, GoalStructures, evaluate_goals
from DosePredictionLib.dosimetry.isodose import USUAL_LEVELS_PERCENT, IsodoseAgreement, isodose_agreement
from DosePredictionLib.dosimetry.named_dose import NamedDose, different_names
from DosePredictionLib.dosimetry.voxel_statistics import (
    VoxelStatistics,
    comparison_mask,
    patient_region,
    voxel_statistics,
)
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import MEASURED_ROLES, Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

#: Points that gamma looks at unless more are asked for: the pass rate is then good to 0.7 % (one standard error).
GAMMA_POINTS = 5_000
#: Smaller parts of a structure outside a dose's grid change no figure that is shown, as those of goals.
SMALLEST_PART_PERCENT = 0.05


@dataclass(frozen=True)
class DvhFigure:
    """One figure of a structure's DVH for each dose.

    Attributes:
        structure: as the user's data call it.
        metric: "Dmean", "D95%", "D0.03cc" ...
        values_gy: by dose name; NaN where the structure lies wholly outside that dose's grid.
    """

    structure: str
    metric: str
    values_gy: Mapping[str, float]


@dataclass(frozen=True)
class Agreement:
    """How one dose agrees with the reference.

    Attributes:
        name: the dose's.
        voxels: differences voxel by voxel.
        isodoses: by level.
        gamma: by criterion; empty when gamma wasn't asked for.
    """

    name: str
    voxels: VoxelStatistics
    isodoses: tuple[IsodoseAgreement, ...]
    gamma: tuple[GammaResult, ...]


@dataclass(frozen=True)
class DoseComparison:
    """Doses of one patient, measured alike.

    Attributes:
        patient: its identifier.
        reference: name of the reference dose, the first of ``names``.
        names: of all doses.
        prescription_gy: what isodose levels are percentages of.
        dvhs: by dose name, then by structure name.
        figures: of the DVHs.
        goals: by dose name; empty without a set of goals.
        agreements: one for each dose but the reference.
        gamma_note: why gamma is missing although it was asked for; empty when it isn't.
        region: what gamma and isodoses are limited to, "external contour (BODY)"; empty when they aren't.
        goal_set: name of the set of goals; empty without one.
    """

    patient: str
    reference: str
    names: tuple[str, ...]
    prescription_gy: float
    dvhs: Mapping[str, Mapping[str, Dvh]]
    figures: tuple[DvhFigure, ...]
    goals: Mapping[str, Sequence[GoalResult]]
    agreements: tuple[Agreement, ...]
    gamma_note: str = ""
    region: str = ""
    goal_set: str = ""

    @property
    def outside_percent(self) -> dict[str, dict[str, float]]:
        """How much of a structure lies outside a dose's grid, by structure and dose name; those of which some does."""
        structures = dict.fromkeys(figure.structure for figure in self.figures)
        parts = {name: {dose: self.dvhs[dose][name].outside_dose_percent for dose in self.names} for name in structures}
        return {name: by_dose for name, by_dose in parts.items() if max(by_dose.values()) >= SMALLEST_PART_PERCENT}

    @property
    def outside_note(self) -> str:
        """A sentence on what lies outside a dose's grid; empty when nothing does."""
        told = [
            f"{part:.1f} % of {structure} outside {dose}"
            for structure, by_dose in self.outside_percent.items()
            for dose, part in by_dose.items() if part >= SMALLEST_PART_PERCENT
        ]  # fmt: skip
        if not told:
            return ""
        return (
            "What lies outside a dose's grid counts as 0 Gy in figures of structures, and what lies wholly outside has "
            f"none: {', '.join(told)}."
        )


def compare_doses(
    patient: Patient,
    doses: Sequence[NamedDose],
    goals: GoalSet | None = None,
    *,
    gamma_points: int | None = GAMMA_POINTS,
    criteria: Sequence[GammaCriterion] = USUAL_CRITERIA,
    levels_percent: Sequence[float] = USUAL_LEVELS_PERCENT,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> DoseComparison:
    """Measure doses against the first of them.

    Voxel differences, gamma and isodoses look at what lies in the data's dose region or external contour, where there
    is one: planning systems calculate dose in couch and mask too, predictions have none there.

    Args:
        patient: its structures are measured, its highest prescription scales the isodose levels (the reference's
            maximum does when there is no prescription).
        doses: at least one, names all different; the first is the reference.
        goals: what each dose is held against; None for nothing.
        gamma_points: how many voxels gamma looks at, chosen at random; None for all of them, 0 for no gamma. Without
            pymedphys gamma is left out, and the comparison says so.
        criteria: of gamma.
        levels_percent: isodose levels in % of the prescription.
        seed: of the choice of voxels.
        tell: receives what is being done, for a person who waits.

    Raises:
        InputError: two doses have one name, or a dose can't be measured.
    """
    names = different_names(doses)
    reference = doses[0]
    prescription_gy = patient.prescription_gy or float(reference.dose.array.max())
    dvhs = _dvhs(patient, doses)
    judged = {}
    if goals is not None:
        named = GoalStructures(patient)
        judged = {dose.name: evaluate_goals(goals, patient, dose.dose, dvhs[dose.name], named) for dose in doses}
    mask_name, inside = comparison_mask(patient, reference.dose.geometry, reference.dose)
    measured = within_region(patient, reference.dose)
    region = mask_name if measured is not reference.dose else ""
    asked = criteria if gamma_points != 0 and len(doses) > 1 else ()
    note = NOT_AVAILABLE if asked and not gamma_is_available() else ""
    agreements = []
    for other in doses[1:]:
        found = []
        for criterion in () if note else asked:
            tell(f"{other.name}: gamma {criterion.text}")
            found.append(gamma_analysis(measured, other.dose, criterion, points=gamma_points, seed=seed))
        tell(f"{other.name}: isodoses")
        isodoses = isodose_agreement(measured, within_region(patient, other.dose), prescription_gy, levels_percent)
        voxels = voxel_statistics(reference.dose, other.dose, inside, mask_name)
        agreements.append(Agreement(other.name, voxels, tuple(isodoses), tuple(found)))
    figures = _figures(patient, dvhs)
    return DoseComparison(
        patient.identifier, reference.name, names, prescription_gy, dvhs, figures, judged, tuple(agreements), note,
        region, goals.name if goals is not None else "",
    )  # fmt: skip


def within_region(patient: Patient, dose: Volume) -> Volume:
    """The dose with 0 outside the data's dose region or external contour; as it is where there is neither."""
    region = patient_region(patient, dose.geometry)
    return dose if region is None else Volume(np.where(region[1], dose.array, np.float32(0.0)), dose.geometry)


def _dvhs(patient: Patient, doses: Sequence[NamedDose]) -> dict[str, dict[str, Dvh]]:
    """By dose name, then by structure name; each structure is read at the same points of all doses."""
    found: dict[str, dict[str, Dvh]] = {dose.name: {} for dose in doses}
    for structure in measured_structures(patient):
        for dose, dvh in zip(doses, compute_dvhs([one.dose for one in doses], structure), strict=True):
            found[dose.name][structure.name] = dvh
    return found


def measured_structures(patient: Patient) -> list[Structure]:
    """Targets, highest prescription first, organs, others, the external (`MEASURED_ROLES`); without empty ones."""
    others = (s for role in MEASURED_ROLES if role is not StructureRole.TARGET for s in patient.with_role(role))
    return [s for s in (*patient.targets, *others) if s.mask.array.any()]


def _figures(patient: Patient, dvhs: Mapping[str, Mapping[str, Dvh]]) -> tuple[DvhFigure, ...]:
    figures = []
    for structure in measured_structures(patient):
        of_target = structure.role is StructureRole.TARGET
        for metric, read in _TARGET_FIGURES if of_target else _ORGAN_FIGURES:
            found = {name: by_structure[structure.name] for name, by_structure in dvhs.items()}
            # Of what lies wholly outside its grid a dose tells nothing: 0 Gy would be taken for its dose.
            values = {name: float("nan") if dvh.lies_outside_dose else read(dvh) for name, dvh in found.items()}
            figures.append(DvhFigure(structure.name, metric, values))
    return tuple(figures)


_TARGET_FIGURES: tuple[tuple[str, Callable[[Dvh], float]], ...] = (
    ("D98%", lambda dvh: dvh.dose_at_volume_percent(98.0)),
    ("D95%", lambda dvh: dvh.dose_at_volume_percent(95.0)),
    ("D50%", lambda dvh: dvh.dose_at_volume_percent(50.0)),
    ("D2%", lambda dvh: dvh.dose_at_volume_percent(2.0)),
    ("Dmean", lambda dvh: dvh.mean_gy),
)
_ORGAN_FIGURES: tuple[tuple[str, Callable[[Dvh], float]], ...] = (
    ("Dmean", lambda dvh: dvh.mean_gy),
    ("D0.03cc", lambda dvh: dvh.dose_at_volume_cc(0.03)),
    ("D2cc", lambda dvh: dvh.dose_at_volume_cc(2.0)),
)
