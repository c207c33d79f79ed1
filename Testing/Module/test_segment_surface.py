"""Segments drawn as closed surfaces are measured by these: volumes and doses of small balls against formulas."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene.measured import measured_in_pieces
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.patient_from_nodes import patient_from_nodes
from DosePredictionScene.pieces import in_one_go
from DosePredictionScene.segment_surface import surface_occupancy_in_pieces
from DosePredictionScene.self_test import spherical_dose
from phantom_scene import rotation, scene_nodes, transform_node, volume_node

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.partial_voxels import inside_cc
from DosePredictionLib.patient.checks import without_what_lies_outside
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

CLOSED_SURFACE, PLANAR_CONTOUR, BINARY_LABELMAP = "Closed surface", "Planar contour", "Binary labelmap"
CENTRE_RAS = (1.3, -0.7, 0.4)
SPACING_MM = (2.0, 2.0, 2.5)


def ct_node() -> Any:
    return volume_node(np.zeros((30, 40, 40), np.int16), SPACING_MM, (-40.0, -40.0, -37.0))


def sphere(radius_mm: float, centre_ras: tuple[float, float, float] = CENTRE_RAS) -> Any:
    """A sphere of triangles, scaled to the ball's volume."""
    source = vtk.vtkSphereSource()
    source.SetThetaResolution(120)
    source.SetPhiResolution(120)
    source.SetCenter(centre_ras)
    source.SetRadius(radius_mm)
    source.Update()
    mass = vtk.vtkMassProperties()
    mass.SetInputConnection(source.GetOutputPort())
    mass.Update()
    source.SetRadius(radius_mm * (1000.0 * ball_cc(radius_mm) / mass.GetVolume()) ** (1.0 / 3.0))
    source.Update()
    return source.GetOutput()


def ball_cc(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


def surfaces(ct: Any, source: str = CLOSED_SURFACE, **segments: Any) -> Any:
    """A segmentation node whose segments are closed surfaces."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Surfaces")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    node.GetSegmentation().SetSourceRepresentationName(source)
    for name, surface in segments.items():
        segment = slicer.vtkSegment()
        segment.SetName(name)
        segment.AddRepresentation(CLOSED_SURFACE, surface)
        if source == PLANAR_CONTOUR:
            segment.AddRepresentation(PLANAR_CONTOUR, vtk.vtkPolyData())
            segment.AddRepresentation(BINARY_LABELMAP, voxels_of_one())
        node.GetSegmentation().AddSegment(segment)
    return node


def voxels_of_one() -> Any:
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(2, 2, 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    image.GetPointData().GetScalars().Fill(1)
    return image


def read(**segments: Any) -> Patient:
    ct = ct_node()
    return patient_from_nodes(ct, surfaces(ct, **segments))


def appended(*parts: Any) -> Any:
    append = vtk.vtkAppendPolyData()
    for part in parts:
        append.AddInputData(part)
    append.Update()
    return append.GetOutput()


def gradient(patient: Patient, centre_ras: tuple[float, float, float] = CENTRE_RAS) -> Volume:
    """40 Gy at the centre, 2 Gy/mm to the left (LPS x)."""
    geometry = patient.geometry
    at = geometry.lps_of_index(np.stack(np.indices(geometry.shape), axis=-1).astype(float))
    return Volume((40.0 + 2.0 * (at[..., 0] + centre_ras[0])).astype(np.float32), geometry)


def cap_height(volume_cc: float, radius_mm: float) -> float:
    """Where a plane cuts this volume off a ball, from its centre, by Newton's method."""
    h = radius_mm
    for _ in range(50):
        h -= (np.pi * h**2 * (3 * radius_mm - h) / 3000.0 - volume_cc) / (np.pi * h * (2 * radius_mm - h) / 1000.0)
    return radius_mm - h


def only(structures: tuple[Structure, ...]) -> Structure:
    (structure,) = structures
    return structure


@pytest.mark.parametrize("radius_mm", [4.0, 7.5, 20.0])
def test_a_ball_has_its_volume_and_doses(radius_mm: float) -> None:
    """A lens, a chiasm, a parotid on voxels of 2 x 2 x 2.5 mm, where counting voxels is percents off."""
    patient = read(Lens_L=sphere(radius_mm))
    structure = only(patient.structures)
    assert set(np.unique(structure.mask.array)) == {0, 1}, "what the model sees"
    dvh = compute_dvh(gradient(patient), structure)
    assert dvh.volume_cc == pytest.approx(ball_cc(radius_mm), rel=0.005)
    assert dvh.mean_gy == pytest.approx(40.0, abs=0.2)
    for volume_cc in (0.03, 2.0):
        if volume_cc < dvh.volume_cc:
            hottest = 40.0 + 2.0 * cap_height(volume_cc, radius_mm)
            assert dvh.dose_at_volume_cc(volume_cc) == pytest.approx(hottest, abs=0.6)
        else:
            assert dvh.dose_at_volume_cc(volume_cc) == dvh.min_gy == pytest.approx(40.0 - 2.0 * radius_mm, abs=0.8)


def test_transforms_move_the_surface_to_where_it_is_seen() -> None:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation(), (6.0, -9.0, 5.0)
    ct = ct_node()
    segmentation = surfaces(ct, Lens_L=sphere(7.5))
    segmentation.SetAndObserveTransformNodeID(transform_node(matrix).GetID())
    moved = tuple(matrix[:3, :3] @ CENTRE_RAS + matrix[:3, 3])
    patient = patient_from_nodes(ct, segmentation)
    measured = only(patient.structures).measured
    assert inside_cc(measured) == pytest.approx(ball_cc(7.5), rel=0.005)
    index = np.argwhere(measured.array > 0)
    weights = measured.array[tuple(index.T)]
    centroid = np.average(measured.geometry.lps_of_index(index), axis=0, weights=weights)
    assert np.allclose(centroid, np.array(moved) * (-1, -1, 1), atol=0.05)
    assert compute_dvh(gradient(patient, moved), only(patient.structures)).mean_gy == pytest.approx(40.0, abs=0.2)


def test_a_surface_in_a_surface_is_a_hole() -> None:
    patient = read(Shell=appended(sphere(15.0), sphere(9.0)))
    assert inside_cc(only(patient.structures).measured) == pytest.approx(ball_cc(15.0) - ball_cc(9.0), rel=0.005)


def test_polygons_and_strips_are_surfaces_too() -> None:
    """Quadrilaterals of a box, and a sphere of triangle strips."""
    box = vtk.vtkCubeSource()
    box.SetBounds(-7.3, 8.1, -5.2, 6.4, -9.9, 3.3)
    box.Update()
    strips = vtk.vtkStripper()
    strips.SetInputData(sphere(9.0))
    strips.Update()
    assert strips.GetOutput().GetNumberOfStrips() > 0
    patient = read(Box=box.GetOutput(), Ball=strips.GetOutput())
    volumes = {structure.name: inside_cc(structure.measured) for structure in patient.structures}
    assert volumes["Box"] == pytest.approx(15.4 * 11.6 * 13.2 / 1000, rel=0.005)
    assert volumes["Ball"] == pytest.approx(ball_cc(9.0), rel=0.005)


def test_an_open_surface_is_measured_by_its_labelmap() -> None:
    half = vtk.vtkSphereSource()
    half.SetRadius(12.0)
    half.SetThetaResolution(60)
    half.SetPhiResolution(60)
    half.SetEndPhi(90.0)
    half.Update()
    structure = only(read(Open=half.GetOutput()).structures)
    assert structure.measured is structure.mask


def test_what_lies_beyond_the_ct_is_kept_and_told() -> None:
    """Of a ball whose centre lies on the CT's border, half is outside; of one outside, all."""
    border = (-41.0, -0.7, 0.4)
    patient = read(Half=sphere(10.0, border), Away=sphere(10.0, (0.0, 0.0, 500.0)))
    half, away = patient.structures
    assert inside_cc(half.measured) == pytest.approx(ball_cc(10.0), rel=0.01)
    assert inside_cc(away.measured) == pytest.approx(ball_cc(10.0), rel=0.01)
    target = replace(half, role=StructureRole.TARGET, prescription_gy=70.0)
    checked = without_what_lies_outside(patient.with_structures((target, away)))
    (told,) = (text for text in checked.warnings if "of the target Half lies outside the CT" in text)
    assert 47 <= int(told.split("%")[0]) <= 53
    assert "Away lies wholly outside the CT and is ignored." in checked.warnings


def test_labelmaps_are_measured_as_they_are() -> None:
    """Also where a surface was made from them to show them: it is smoothed, and smaller."""
    ct = ct_node()
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Painted")
    segment_id = segmentation.GetSegmentation().AddEmptySegment("", "Lens_L")
    mask = np.zeros((30, 40, 40), np.uint8)
    mask[10:14, 15:20, 15:20] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment_id, ct)
    assert segmentation.GetSegmentation().GetSourceRepresentationName() == BINARY_LABELMAP
    segmentation.GetSegmentation().GetSegment(segment_id).AddRepresentation(CLOSED_SURFACE, sphere(7.5))
    structure = only(patient_from_nodes(ct, segmentation).structures)
    assert structure.measured is structure.mask
    assert structure.mask.array.sum() == 100


def test_contours_are_measured_by_the_surface_that_was_made_of_them() -> None:
    """As SlicerRT leaves a structure set: contours are the source, surface and labelmap are made from them."""
    ct = ct_node()
    structure = only(patient_from_nodes(ct, surfaces(ct, PLANAR_CONTOUR, Lens_L=sphere(7.5))).structures)
    assert isinstance(structure.mask, OutlinedMask)
    assert inside_cc(structure.measured) == pytest.approx(ball_cc(7.5), rel=0.005)


def test_contours_without_any_surface_leave_the_labelmap() -> None:
    """Where nothing can convert contours (SlicerRT isn't there)."""
    segmentation = surfaces(ct_node(), PLANAR_CONTOUR)
    segment = slicer.vtkSegment()
    segment.AddRepresentation(PLANAR_CONTOUR, vtk.vtkPolyData())
    segmentation.GetSegmentation().AddSegment(segment, "contours")
    assert in_one_go(surface_occupancy_in_pieces(segmentation, "contours", volume_geometry(ct_node()))) is None


def test_a_prediction_of_it_is_measured_by_it() -> None:
    """From the scene over the predicted dose to DVHs and goals, as the panel and the command line do it."""
    patient = read(PTV70=sphere(12.0, (0.0, 0.0, 0.0)), Lens_L=sphere(7.5))
    measured = in_one_go(measured_in_pieces(spherical_dose(patient), bundled_goals("head-and-neck")))
    volumes = {name: dvh.volume_cc for name, dvh in measured.prediction.dvhs.items()}
    assert volumes == pytest.approx({"PTV70": ball_cc(12.0), "Lens_L": ball_cc(7.5)}, rel=0.005)
    d95 = measured.prediction.dvhs["PTV70"].dose_at_volume_percent(95.0)
    (goal,) = [one for one in measured.goals if one.structure_label == "PTV70" and one.goal.metric.text == "D95%"]
    assert goal.unit == "%Rx" and goal.value == pytest.approx(100.0 * d95 / 70.0)


def test_a_fine_surface_does_not_keep_the_main_thread() -> None:
    """Half a million triangles: only copying them is the main thread's, and its longest turn is its own CPU time.

    Done there as a whole they would take it 0.7 s.
    """
    ct, fine = ct_node(), vtk.vtkSphereSource()
    fine.SetRadius(25.0)
    fine.SetThetaResolution(500)
    fine.SetPhiResolution(500)
    fine.Update()
    segmentation = surfaces(ct, Brain=fine.GetOutput())
    segment_id = segmentation.GetSegmentation().GetNthSegmentID(0)
    pieces = surface_occupancy_in_pieces(segmentation, segment_id, volume_geometry(ct))
    longest_s = 0.0
    while True:
        begin = time.thread_time()
        try:
            next(pieces)
        except StopIteration as end:
            occupancy = end.value
            break
        finally:
            longest_s = max(longest_s, time.thread_time() - begin)
        time.sleep(0.001)
    assert inside_cc(occupancy) == pytest.approx(ball_cc(25.0), rel=0.005)
    assert longest_s < 0.25


def test_reading_surfaces_leaves_scene_and_surface_as_they_were() -> None:
    ct, surface = ct_node(), sphere(7.5)
    segmentation = surfaces(ct, Lens_L=surface)
    before, points = scene_nodes(), surface.GetNumberOfPoints()
    structure = only(patient_from_nodes(ct, segmentation).structures)
    assert scene_nodes() == before and surface.GetNumberOfPoints() == points
    occupied = inside_cc(structure.measured)
    surface.GetPoints().GetData().Fill(0.0)
    assert inside_cc(structure.measured) == occupied, "the patient must not change with the scene"
