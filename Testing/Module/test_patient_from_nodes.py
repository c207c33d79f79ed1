"""Nodes to a patient: every voxel at its place, every segment whole, or a sentence that says why not."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene.patient_from_nodes import PlanContext, patient_from_nodes
from DosePredictionScene.segment_choices import SegmentChoice, segment_choices, store_choice
from phantom_scene import (
    ras_of_voxel,
    rotation,
    scene_nodes,
    segmentation_node,
    transform_node,
    volume_node,
)

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import OPENKBP_BEAMS
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.structure import StructureRole

SHAPE = (7, 9, 11)
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
#: As Slicer loads an axial CT: first voxel right, anterior, inferior; i runs to the left, j to the back.
AXIAL = np.diag([-1.0, -1.0, 1.0])
GRIDS = {
    "axial": ((2.0, 2.0, 3.0), (90.0, 80.0, -60.0), AXIAL),
    "oblique": ((0.8, 1.7, 3.1), (-12.3, 45.6, 78.9), rotation() @ AXIAL),
    "left-handed": ((1.1, 2.2, 3.3), (10.0, -20.0, 30.0), rotation() @ np.diag([-1.0, -1.0, -1.0])),
    "sagittal order": ((3.0, 1.0, 2.0), (5.0, 6.0, 7.0), np.array([[0.0, 0, -1], [-1, 0, 0], [0, -1, 0]])),
}  # fmt: skip


def one_segment(ct, name="PTV70"):
    mask = np.zeros(slicer.util.arrayFromVolume(ct).shape, bool)
    mask[2:4, 3:6, 4:8] = True
    return segmentation_node(ct, {name: mask})


@pytest.mark.parametrize("grid", GRIDS)
def test_every_voxel_lies_where_slicer_has_it(grid: str) -> None:
    spacing, origin, directions = GRIDS[grid]
    array = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    ct = volume_node(array, spacing, origin, directions)
    patient = patient_from_nodes(ct, one_segment(ct))
    assert patient.ct is not None
    image = patient.ct.to_image()
    for z, y, x in [(0, 0, 0), (6, 8, 10), (2, 5, 7)]:
        expected_lps = ras_of_voxel(ct, z, y, x) * RAS_TO_LPS
        assert np.allclose(patient.geometry.lps_of_index(np.array([z, y, x])), expected_lps, atol=1e-9)
        assert np.allclose(image.TransformIndexToPhysicalPoint((x, y, z)), expected_lps, atol=1e-6)
        assert image[x, y, z] == array[z, y, x]
    assert np.allclose(patient.geometry.spacing_mm, spacing)
    (structure,) = patient.structures
    inside = structure.mask.geometry.lps_of_index(np.argwhere(structure.mask.array).astype(float))
    corners = np.array([ras_of_voxel(ct, z, y, x) * RAS_TO_LPS for z in (2, 3) for y in (3, 5) for x in (4, 7)])
    assert np.allclose(np.sort(inside.min(axis=0)), np.sort(corners.min(axis=0)))
    assert np.allclose(inside.max(axis=0), corners.max(axis=0))
    assert structure.mask.array.sum() == 2 * 3 * 4


def test_overlapping_segments_keep_all_their_voxels() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16), *GRIDS["oblique"])
    organ, target = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    organ[1:6, 1:8, 1:9] = True
    target[2:4, 2:7, 3:6] = True
    segmentation = segmentation_node(ct, {"Parotid_L": organ, "PTV70": target, "Larynx": organ})
    patient = patient_from_nodes(ct, segmentation)
    for structure, mask in zip(patient.structures, (organ, target, organ), strict=True):
        assert np.array_equal(structure.mask.on_grid(patient.geometry, nearest=True).array > 0, mask), structure.name


def test_a_segment_on_another_grid_is_brought_to_the_ct() -> None:
    ct = volume_node(np.zeros((20, 30, 40), np.int16), (2.0, 2.0, 2.0), (-40.0, -30.0, -20.0))
    fine = volume_node(np.zeros((40, 40, 40), np.int16), (1.0, 1.0, 1.0), (-10.0, -10.0, -10.0), name="Fine")
    mask = np.zeros((40, 40, 40), bool)
    mask[6:14, 10:20, 10:22] = True  # RAS x -0.5..11.5, y -0.5..9.5, z -4.5..3.5 with the voxels' halves
    patient = patient_from_nodes(ct, segmentation_node(fine, {"PTV70": mask}))
    inside = patient.structures[0].mask.geometry.lps_of_index(
        np.argwhere(patient.structures[0].mask.array).astype(float)
    )
    ras = inside * RAS_TO_LPS
    assert np.all(ras.min(axis=0) >= [-0.5, -0.5, -4.5]) and np.all(ras.max(axis=0) <= [11.5, 9.5, 3.5])
    assert np.all(ras.min(axis=0) <= [1.5, 1.5, -2.5]) and np.all(ras.max(axis=0) >= [9.5, 7.5, 1.5])


def test_a_rigid_transform_moves_ct_and_structures() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16), *GRIDS["axial"])
    segmentation = one_segment(ct)
    before = patient_from_nodes(ct, segmentation)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation()
    matrix[:3, 3] = (30.0, -7.0, 11.0)
    moved = transform_node(matrix)
    ct.SetAndObserveTransformNodeID(moved.GetID())
    segmentation.SetAndObserveTransformNodeID(moved.GetID())
    patient = patient_from_nodes(ct, segmentation)
    assert np.allclose(patient.geometry.lps_of_index(np.array([6, 8, 10])), ras_of_voxel(ct, 6, 8, 10) * RAS_TO_LPS)
    # Moved together, the same voxels of the CT lie in the target.
    assert np.array_equal(patient.structures[0].mask.array, before.structures[0].mask.array)
    start = patient.geometry.index_of_lps(np.array(patient.structures[0].mask.geometry.origin_mm))
    assert np.allclose(start, (2, 3, 4))


def test_a_structure_under_its_own_transform_is_moved_onto_the_ct() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16), *GRIDS["axial"])
    segmentation = one_segment(ct)
    matrix = np.eye(4)
    matrix[0, 3] = -4.0  # two voxels to the left: i grows to the left
    segmentation.SetAndObserveTransformNodeID(transform_node(matrix).GetID())
    patient = patient_from_nodes(ct, segmentation)
    start = patient.geometry.index_of_lps(np.array(patient.structures[0].mask.geometry.origin_mm))
    assert np.allclose(start, (2, 3, 6))
    assert patient.structures[0].mask.array.sum() == 2 * 3 * 4


def test_a_deforming_transform_is_refused() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct)
    grid = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Warp")
    spline = slicer.vtkOrientedBSplineTransform()
    spline.SetCoefficientData(vtk.vtkImageData())
    grid.SetAndObserveTransformToParent(spline)
    for node in (ct, segmentation):
        node.SetAndObserveTransformNodeID(grid.GetID())
        with pytest.raises(InputError, match="Warp; harden the transform"):
            patient_from_nodes(ct, segmentation)
        node.SetAndObserveTransformNodeID(None)


def test_a_sheared_ct_is_refused() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct)
    shear = np.eye(4)
    shear[1, 2] = 0.2  # a gantry tilted by 11 degrees
    ct.SetAndObserveTransformNodeID(transform_node(shear).GetID())
    with pytest.raises(InputError, match="not perpendicular"):
        patient_from_nodes(ct, segmentation)


def test_what_a_segment_is_comes_from_choice_then_tags_then_name() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    mask = np.ones(SHAPE, bool)
    segmentation = segmentation_node(ct, {"PTV_6300cGy": mask, "Rt Parotid": mask, "Help": mask, "Boost": mask})
    tagged = segmentation.GetSegmentation().GetNthSegment(2)
    store_choice(tagged, SegmentChoice(StructureRole.OAR, "Larynx"))
    chosen = SegmentChoice(StructureRole.TARGET, None, 70.0)
    patient = patient_from_nodes(ct, segmentation, choices={"Boost": chosen})
    ptv, parotid, tagged_structure, boost = patient.structures
    assert (ptv.role, ptv.prescription_gy) == (StructureRole.TARGET, 63.0)
    assert (parotid.name, parotid.standard_name, parotid.role) == ("Rt Parotid", "Parotid_R", StructureRole.OAR)
    assert (tagged_structure.standard_name, tagged_structure.role) == ("Larynx", StructureRole.OAR)
    assert (boost.role, boost.prescription_gy) == (StructureRole.TARGET, 70.0)
    boost_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName("Boost")
    by_id = segment_choices(segmentation.GetSegmentation(), {boost_id: chosen})
    assert by_id[boost_id] is chosen
    with pytest.raises(InputError, match="There is no segment Bost"):
        patient_from_nodes(ct, segmentation, choices={"Bost": chosen})


def test_stored_choices_survive_storing_and_a_broken_one_is_named() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct, "x")
    segment = segmentation.GetSegmentation().GetNthSegment(0)
    for choice in (
        SegmentChoice(StructureRole.TARGET, "PTV_High", 66.5, "stored"),
        SegmentChoice(StructureRole.EXTERNAL, None, None, "stored"),
    ):
        store_choice(segment, choice)
        (found,) = segment_choices(segmentation.GetSegmentation()).values()
        assert found == choice
    segment.SetTag("DosePrediction.Role", "tumour")
    with pytest.raises(InputError, match="The segment x carries a tag"):
        patient_from_nodes(ct, segmentation)


def test_segments_of_the_same_name_are_told_apart() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct, "Node")
    second = segmentation.GetSegmentation().AddEmptySegment("", "Other")
    segmentation.GetSegmentation().GetSegment(second).SetName("Node")
    assert [s.name for s in patient_from_nodes(ct, segmentation).structures] == ["Node", "Node (2)"]


def test_colours_are_the_segments() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct)
    segmentation.GetSegmentation().GetNthSegment(0).SetColor(0.25, 0.5, 0.75)
    assert patient_from_nodes(ct, segmentation).structures[0].color == (0.25, 0.5, 0.75)


def test_reading_leaves_the_scene_as_it_was() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    segmentation = one_segment(ct)
    before = scene_nodes()
    patient = patient_from_nodes(ct, segmentation)
    assert scene_nodes() == before
    slicer.util.arrayFromVolume(ct)[:] = 77
    assert patient.ct is not None and patient.ct.array.max() == 0, "the patient must not change with the scene"


def test_missing_nodes_get_a_sentence() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16))
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Empty")
    bare = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Bare")
    for arguments, sentence in (
        ((None, one_segment(ct)), "No CT is chosen"),
        ((ct, None), "No structures are chosen"),
        ((ct, empty), "No structures are chosen"),
        ((bare, one_segment(ct)), "The volume Bare has no voxels"),
    ):
        with pytest.raises(InputError, match=sentence):
            patient_from_nodes(*arguments)


def test_a_reference_dose_is_read_on_its_own_grid_if_it_is_in_gray() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16), *GRIDS["axial"])
    dose = volume_node(np.full((3, 4, 5), 2.5, np.float32), *GRIDS["oblique"], name="Clinical")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "Plan")
    tree.CreateItem(study, dose)
    patient = patient_from_nodes(ct, one_segment(ct), dose_node=dose)
    assert patient.reference_dose is not None
    assert patient.reference_dose.geometry.shape == (3, 4, 5)
    assert np.all(patient.reference_dose.array == 2.5)
    tree.SetItemAttribute(study, "DicomRtImport.DoseUnitName", "RELATIVE")
    with pytest.raises(InputError, match="Clinical is in RELATIVE, not in Gy"):
        patient_from_nodes(ct, one_segment(ct), dose_node=dose)


def test_what_the_nodes_do_not_say_comes_with_the_plan() -> None:
    ct = volume_node(np.zeros(SHAPE, np.int16), name="4: Head and neck")
    segmentation = one_segment(ct)
    assert patient_from_nodes(ct, segmentation).identifier == "4: Head and neck"
    plan = PlanContext("pt_9", 35, "VMAT", "head-and-neck", OPENKBP_BEAMS, ("odd",))
    patient = patient_from_nodes(ct, segmentation, plan=plan)
    assert PlanContext.of_patient(patient) == plan


@pytest.mark.parametrize("finer", [False, True])
def test_a_target_that_reaches_beyond_the_ct_keeps_what_is_cut_off_and_says_so(finer: bool) -> None:
    array = np.zeros((10, 20, 20), np.int16)
    ct = volume_node(array, (2.0, 2.0, 3.0), (0.0, 0.0, 0.0), AXIAL)
    spacing = (1.0, 1.0, 1.5) if finer else (2.0, 2.0, 3.0)
    long = np.zeros((40, 40, 40) if finer else (20, 20, 20), np.int16)
    larger = volume_node(long, spacing, (0.0, 0.0, 0.0), AXIAL)
    mask = np.zeros(long.shape, bool)
    mask[(slice(10, 30), slice(10, 20), slice(10, 20)) if finer else (slice(5, 15), slice(5, 10), slice(5, 10))] = True
    patient = patient_from_nodes(ct, segmentation_node(larger, {"PTV70": mask}))
    target = patient.structures[0]
    assert np.count_nonzero(target.mask.array) * target.mask.geometry.voxel_volume_cc == pytest.approx(3.0, rel=0.1)
    warnings = check_patient(patient).warnings
    assert any("of the target PTV70 lies outside the CT" in text for text in warnings)


def test_segments_that_share_a_labelmap_keep_their_own_voxels() -> None:
    """As the Segment Editor and scenes from files have them."""
    ct = volume_node(np.zeros((6, 8, 10), np.int16), (2.0, 2.0, 3.0))
    masks = {name: np.zeros((6, 8, 10), bool) for name in ("PTV70", "SpinalCord")}
    masks["PTV70"][1:3, 1:4, 1:4] = masks["SpinalCord"][2:5, 5:7, 6:9] = True
    node = segmentation_node(ct, masks)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    first, second = (node.GetSegmentation().GetNthSegment(index) for index in range(2))
    assert first.GetRepresentation("Binary labelmap") is second.GetRepresentation("Binary labelmap"), "one labelmap"
    patient = patient_from_nodes(ct, node)
    for structure, mask in zip(patient.structures, masks.values(), strict=True):
        found = structure.mask.on_grid(patient.geometry, nearest=True).array > 0
        assert np.array_equal(found, mask), structure.name
