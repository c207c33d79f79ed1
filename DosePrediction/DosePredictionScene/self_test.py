"""What the module's own test checks inside Slicer: a phantom and the sample patient as nodes, doses shown on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import slicer

from DosePredictionLib.dosimetry.goals import bundled_goals, evaluate_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path
from DosePredictionLib.worker.predictor import Prediction, patient_dvhs
from DosePredictionScene.nodes_from_patient import nodes_from_patient
from DosePredictionScene.patient_from_nodes import PlanContext, patient_from_nodes
from DosePredictionScene.scene_result import show_prediction

SHAPE = (24, 40, 48)
SPACING_MM = (4.0, 4.0, 5.0)
PRESCRIPTION_GY = 70.0
#: The highest dose as a part of the prescription, and how far from there it falls to 1/e of that.
PEAK = 1.03
REACH_MM = 60.0


def check_scene() -> None:
    """Put a phantom into the scene and a dose onto it.

    Raises:
        AssertionError: something is not where SlicerRT and the physicist look for it.
    """
    ct, segmentation = phantom_nodes()
    patient = patient_from_nodes(ct, segmentation)
    assert patient.prescription_gy == PRESCRIPTION_GY, "the prescription is not read from the target's name"
    assert {s.name for s in patient.structures} == {"PTV70", "SpinalCord", "BODY"}
    prediction = spherical_dose(patient)
    shown = show_prediction(
        ct, prediction, evaluate_goals(bundled_goals("head-and-neck"), patient, prediction.dose, {})
    )
    assert shown.dose.GetAttribute("DicomRtImport.DoseVolume") == "1"
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()
    study = hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(shown.dose), level)
    assert study == hierarchy.GetItemAncestorAtLevel(hierarchy.GetItemByDataNode(ct), level) != 0
    assert hierarchy.GetItemAttribute(study, "DicomRtImport.DoseUnitName") == "GY"
    assert shown.chart.GetNumberOfPlotSeriesNodes() == 3
    assert shown.goals.GetNumberOfRows() > 0


def check_sample_patient() -> None:
    """Load the bundled patient and show its reference dose as if it had been predicted: nothing is missing but torch.

    Raises:
        AssertionError: CT, structures, doses or figures are not those of the files.
    """
    patient = read_patient(sample_folder())
    nodes = nodes_from_patient(patient)
    read = patient_from_nodes(
        nodes.ct, nodes.segmentation, dose_node=nodes.reference_dose, plan=PlanContext.of_patient(patient)
    )
    assert read.geometry.is_close(patient.geometry), "the CT does not lie where its file says"
    assert {s.name for s in read.structures} == {s.name for s in patient.structures}
    for before, after in zip(patient.structures, read.structures, strict=True):
        assert np.count_nonzero(after.mask.array) == np.count_nonzero(before.mask.array), f"{before.name} lost voxels"
        assert (after.role, after.prescription_gy) == (before.role, before.prescription_gy), before.name
    assert read.reference_dose is not None and patient.reference_dose is not None
    provenance = replace(spherical_dose(read).provenance, patient=patient.identifier)
    prediction = Prediction(read, read.reference_dose, None, provenance)
    shown = show_prediction(nodes.ct, prediction, prediction.goals())
    assert np.allclose(slicer.util.arrayFromVolume(shown.dose), np.maximum(patient.reference_dose.array, 0.0))
    expected = patient_dvhs(patient, patient.reference_dose)
    means = slicer.util.arrayFromTableColumn(shown.metrics, "Mean [Gy]")
    names = [shown.metrics.GetCellText(row, 0) for row in range(shown.metrics.GetNumberOfRows())]
    for name, mean_gy in zip(names, means, strict=True):
        assert abs(mean_gy - expected[name].mean_gy) < 0.02, f"mean dose of {name}"
    highest = read.targets[0]
    d95 = slicer.util.arrayFromTableColumn(shown.metrics, "D95% [Gy]")[names.index(highest.name)]
    assert 0.9 * read.prescription_gy < d95 < 1.1 * read.prescription_gy, f"D95% of {highest.name} is {d95} Gy"
    judged = [shown.goals.GetCellText(row, 0) for row in range(shown.goals.GetNumberOfRows())]
    assert sum("pass" in verdict for verdict in judged) > 3


def sample_folder() -> Path:
    """The sample patient's folder.

    Raises:
        InputError: the module came without one.
    """
    cases = find_cases(resource_path("SampleData"))
    if not cases:
        raise InputError("The module came without a sample patient; reinstall it.")
    return cases[0]


def phantom_nodes() -> tuple[Any, Any]:
    """A water cylinder with a target and a cord: CT volume node, segmentation node."""
    z, y, x = np.indices(SHAPE)
    radius = np.hypot((y - 20) * SPACING_MM[1], (x - 24) * SPACING_MM[0])
    body = radius < 75.0
    masks = {
        "BODY": body,
        "PTV70": (radius < 25.0) & (np.abs(z - 12) < 6),
        "SpinalCord": (np.hypot(y - 31, x - 24) < 2),
    }
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Phantom CT")
    ct.SetSpacing(*SPACING_MM)
    ct.SetOrigin(90.0, 80.0, -60.0)
    ct.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    slicer.util.updateVolumeFromArray(ct, np.where(body, 0, -1000).astype(np.int16))
    ct.CreateDefaultDisplayNodes()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Phantom structures")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    for name, mask in masks.items():
        segment_id = segmentation.GetSegmentation().AddEmptySegment("", name)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), segmentation, segment_id, ct)
    return ct, segmentation


def spherical_dose(patient: Patient) -> Prediction:
    """The prescription at the target's centre, falling off with distance: no model's dose, but easy to check."""
    target = patient.targets[0].mask
    centre = target.geometry.lps_of_index(np.argwhere(target.array != 0).mean(axis=0))
    points = patient.geometry.lps_of_index(np.stack(np.indices(patient.geometry.shape), axis=-1).astype(float))
    distance_mm = np.linalg.norm(points - centre, axis=-1)
    dose = PEAK * patient.prescription_gy * np.exp(-((distance_mm / REACH_MM) ** 2))
    provenance = Provenance(
        system="analytic", weights="none", weights_sha256="", trained_on="nothing", patient=patient.identifier,
        samples=1, steps=0, seed=0, device="cpu", device_name="", seconds={"total": 0.0}, versions={},
    )  # fmt: skip
    return Prediction(patient, Volume(dose.astype(np.float32), patient.geometry), None, provenance)
