"""The patient that lies in a scene: CT, segments and, where there is one, a dose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.node_geometry import volume_geometry, world_matrix
from DosePredictionScene.pieces import Pieces, in_one_go, while_in_scene
from DosePredictionScene.segment_choices import SegmentChoice, segment_choices
from DosePredictionScene.segment_mask import mask_in_pieces
from DosePredictionScene.segment_surface import surface_occupancy_in_pieces
from DosePredictionScene.subject_hierarchy import dose_unit_of
from DosePredictionScene.voxels import volume_in_pieces, voxels_in_pieces


@dataclass(frozen=True)
class PlanContext:
    """What is known of a plan besides its nodes; see `Patient` for the attributes.

    Attributes:
        identifier: a name for files and messages, never a person's; None takes the CT node's name.
    """

    identifier: str | None = None
    fractions: int | None = None
    technique: str | None = None
    site: str | None = None
    beams: BeamArrangement | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_patient(cls, patient: Patient) -> PlanContext:
        """What a patient that was read from files says and its nodes don't."""
        return cls(
            patient.identifier, patient.fractions, patient.technique, patient.site, patient.beams, patient.warnings
        )


def patient_from_nodes(
    ct_node: Any,
    segmentation_node: Any,
    *,
    dose_node: Any = None,
    choices: Mapping[str, SegmentChoice] | None = None,
    plan: PlanContext | None = None,
) -> Patient:
    """Read a patient off the scene.

    Every segment is read for itself, so that a target inside an organ keeps its voxels and so does the organ. Segments
    of a segmentation whose source is closed surfaces or contours are measured by their surfaces, not by their voxels.

    Args:
        ct_node: vtkMRMLScalarVolumeNode in HU. Its grid, with its linear parent transform, is the patient's.
        segmentation_node: vtkMRMLSegmentationNode; it may lie under another linear transform than the CT.
        dose_node: a clinical or reference dose in Gy, on any grid.
        choices: what segments are, by segment ID or name, where their tags or names don't say it or say it wrong; see
            `segment_choices`.
        plan: what the nodes don't say; None when nothing is known.

    Raises:
        InputError: a node is missing or empty, deformed by a transform, or the dose is not in Gy.
    """
    return in_one_go(patient_in_pieces(ct_node, segmentation_node, dose_node=dose_node, choices=choices, plan=plan))


def patient_in_pieces(
    ct_node: Any,
    segmentation_node: Any,
    *,
    dose_node: Any = None,
    choices: Mapping[str, SegmentChoice] | None = None,
    plan: PlanContext | None = None,
) -> Pieces[Patient]:
    """As `patient_from_nodes`, in pieces."""
    if ct_node is None:
        raise InputError("No CT is chosen; load one and choose it.")
    if segmentation_node is None or segmentation_node.GetSegmentation().GetNumberOfSegments() == 0:
        raise InputError(
            "No structures are chosen; load a structure set or draw segments, and choose the segmentation."
        )
    geometry = volume_geometry(ct_node)
    world_matrix(segmentation_node)  # refuses a deforming transform, which the resampling below would not mention
    plan = plan or PlanContext()
    reading = _structures_and_voxels(ct_node, segmentation_node, dose_node, choices)
    gone = "The CT or its structures were removed while they were read; choose them again and predict again."
    ct_array, structures, reference_dose = yield from while_in_scene((ct_node, segmentation_node), reading, gone)
    return Patient(
        identifier=plan.identifier or ct_node.GetName(),
        geometry=geometry,
        ct=Volume(ct_array, geometry),
        structures=structures,
        fractions=plan.fractions,
        technique=plan.technique,
        site=plan.site,
        beams=plan.beams,
        reference_dose=reference_dose,
        warnings=plan.warnings,
    )


def _structures_and_voxels(
    ct_node: Any, segmentation_node: Any, dose_node: Any, given: Mapping[str, SegmentChoice] | None
) -> Pieces[tuple[np.ndarray, tuple[Structure, ...], Volume | None]]:
    ct_array = yield from voxels_in_pieces(ct_node)
    structures = yield from _structures(segmentation_node, ct_node, given)
    reference_dose = None
    if dose_node is not None:
        reference_dose = yield from reference_dose_in_pieces(dose_node)
    return ct_array, structures, reference_dose


def reference_dose_in_pieces(dose_node: Any) -> Pieces[Volume]:
    """A clinical or reference dose in Gy.

    Raises:
        InputError: the dose is not in Gy.
    """
    unit = dose_unit_of(dose_node)
    if unit and unit.upper() != "GY":
        raise InputError(f"The dose {dose_node.GetName()} is in {unit}, not in Gy; export it in Gy or leave it out.")
    dose = yield from volume_in_pieces(dose_node, np.float32)
    return dose


def _structures(
    segmentation_node: Any, ct_node: Any, given: Mapping[str, SegmentChoice] | None
) -> Pieces[tuple[Structure, ...]]:
    segmentation = segmentation_node.GetSegmentation()
    structures: list[Structure] = []
    names = structure_names(segmentation)
    for segment_id, choice in segment_choices(segmentation, given).items():
        segment = segmentation.GetSegment(segment_id)
        if segment is None:
            raise InputError("The structures changed while they were read; predict again.")
        colour = tuple(float(v) for v in segment.GetColor())
        mask = yield from mask_in_pieces(segmentation_node, segment_id, ct_node, beyond=True)
        occupancy = yield from surface_occupancy_in_pieces(segmentation_node, segment_id, volume_geometry(ct_node))
        if occupancy is not None:
            mask = OutlinedMask(mask.array, mask.geometry, occupancy)
        structures.append(
            Structure(
                name=names[segment_id],
                mask=mask,
                role=choice.role,
                standard_name=choice.standard_name,
                prescription_gy=choice.prescription_gy,
                color=colour,
            )
        )
    return tuple(structures)


def structure_names(segmentation: Any) -> dict[str, str]:
    """What each segment is called in DVHs and tables, by its ID: these go by name, so the second of a name is numbered.

    Args:
        segmentation: vtkSegmentation.
    """
    names: dict[str, str] = {}
    for segment_id in map(str, segmentation.GetSegmentIDs()):
        own = segmentation.GetSegment(segment_id).GetName() or segment_id
        number, name = 2, own
        while name in names.values():
            name, number = f"{own} ({number})", number + 1
        names[segment_id] = name
    return names
