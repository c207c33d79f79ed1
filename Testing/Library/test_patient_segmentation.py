"""Segmentation files as 3D Slicer reads and writes them."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import AXIAL, ball, ball_patient, oblique_geometry

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.segmentation_nrrd import Segment, read_segmentation, write_segmentation
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder


def box(geometry: Geometry, start: tuple[int, int, int], stop: tuple[int, int, int]) -> Volume:
    array = np.zeros(geometry.shape, np.uint8)
    array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = 1
    return Volume(array, geometry).cropped_to_nonzero()


def test_the_header_has_the_keys_that_slicer_reads(tmp_path):
    geometry = oblique_geometry()
    segments = [
        Segment("PTV 70", box(geometry, (2, 3, 4), (12, 13, 24)), (1.0, 0.25, 0.0)),
        Segment("Parotid_L", box(geometry, (20, 3, 4), (22, 13, 24)), None),
        Segment("PTV56", box(geometry, (1, 1, 1), (15, 16, 30)), (0.0, 0.0, 1.0)),
    ]
    path = tmp_path / "a.seg.nrrd"
    write_segmentation(segments, geometry, path)
    image = sitk.ReadImage(str(path))
    assert image.GetNumberOfComponentsPerPixel() == 2  # the overlapping pair in two layers, the third beside the first
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    names = [header[f"Segment{i}_Name"] for i in range(3)]
    places = [(header[f"Segment{i}_Layer"], header[f"Segment{i}_LabelValue"]) for i in range(3)]
    assert names == ["PTV 70", "Parotid_L", "PTV56"] and places == [("0", "1"), ("0", "2"), ("1", "1")]
    assert header["Segment0_Extent"] == "4 23 3 12 2 11"  # x, y, z; first and last
    assert header["Segment0_Color"] == "1 0.25 0"
    assert len({header[f"Segment{i}_ID"] for i in range(3)}) == 3

    grid, again = read_segmentation(path)
    assert grid.is_close(geometry)
    for ours, theirs in zip(segments, again, strict=True):
        assert theirs.mask.geometry.is_close(ours.mask.geometry)
        assert np.array_equal(theirs.mask.array, ours.mask.array)


def test_layers_are_not_all_copied_at_once(tmp_path):
    path = tmp_path / "a.seg.nrrd"
    write_segmentation([Segment(f"PTV{n}", ball(AXIAL, (0, 0, 0), 10.0), None) for n in range(8)], AXIAL, path)
    tracemalloc.start()
    _, segments = read_segmentation(path)
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(segments) == 8 and most_bytes < 3 * np.prod(AXIAL.shape), "of eight layers, one byte a voxel each"


def test_a_single_layer_is_a_plain_label_map(tmp_path):
    write_segmentation([Segment("a", box(AXIAL, (1, 1, 1), (3, 3, 3)), None)], AXIAL, tmp_path / "a.seg.nrrd")
    assert sitk.ReadImage(str(tmp_path / "a.seg.nrrd")).GetNumberOfComponentsPerPixel() == 1


def test_a_segment_off_the_grid_is_refused(tmp_path):
    for mask in (
        ball(oblique_geometry(), (11, -23, 37), 20.0),
        box(AXIAL.cropped((-2, 0, 0), (9, 9, 9)), (0, 0, 0), (2, 2, 2)),
    ):
        with pytest.raises(ValueError, match="grid"):
            write_segmentation([Segment("a", mask, None)], AXIAL, tmp_path / "a.seg.nrrd")


def test_files_from_before_slicer_had_layers(tmp_path):
    """One frame a segment and no layer numbers; the oldest have the frames on a fourth axis."""
    masks = [ball(AXIAL, (0, 0, 0), 20.0).array, ball(AXIAL, (5, 0, 0), 25.0).array]
    frames = sitk.GetImageFromArray(np.stack(masks, axis=-1), isVector=True)
    fourth_axis = sitk.JoinSeries([Volume(mask, AXIAL).to_image() for mask in masks])
    frames.CopyInformation(Volume(masks[0], AXIAL).to_image())
    for name, image in (("frames", frames), ("fourth", fourth_axis)):
        for number in range(2):
            image.SetMetaData(f"Segment{number}_ID", f"Segment_{number}")
            image.SetMetaData(f"Segment{number}_Name", f"part {number}")
        path = tmp_path / f"{name}.seg.nrrd"
        sitk.WriteImage(image, str(path))
        geometry, segments = read_segmentation(path)
        assert geometry.is_close(AXIAL)
        for mask, segment in zip(masks, segments, strict=True):
            assert np.array_equal(segment.mask.on_grid(AXIAL, nearest=True).array, mask), name


def test_a_header_that_does_not_fit_the_voxels_is_refused(tmp_path):
    image = Volume(ball(AXIAL, (0, 0, 0), 20.0).array, AXIAL).to_image()
    for key, value in {"ID": "a", "Name": "PTV70", "Layer": "3", "LabelValue": "1"}.items():
        image.SetMetaData(f"Segment0_{key}", value)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    with pytest.raises(InputError, match="a.seg.nrrd.*PTV70"):
        read_segmentation(tmp_path / "a.seg.nrrd")


def test_empty_segments_are_left_out_with_a_word_unless_they_are_targets(tmp_path):
    empty = Volume(np.zeros((1, 1, 1), np.uint8), AXIAL.cropped((0, 0, 0), (1, 1, 1)))
    names = ("Larynx", "PTV70")
    write_segmentation([Segment(name, empty, None) for name in names], AXIAL, tmp_path / "a.seg.nrrd")
    patient = read_patient(tmp_path)
    assert [structure.name for structure in patient.structures] == ["PTV70"]
    assert any("Larynx" in warning for warning in patient.warnings)
    assert patient.ct is None and patient.geometry.is_close(AXIAL)


def test_structures_on_foreign_voxels_are_written_unresampled(tmp_path):
    """A finer grid, and one that reaches beyond the CT: each comes back voxel for voxel."""
    patient = ball_patient()
    fine = Geometry((60, 50, 50), (0.7, 0.8, 0.9), (-20.0, -30.0, -25.0))
    beyond = AXIAL.cropped((-6, -4, -3), (60, 60, 60))
    extra = (
        Structure("Larynx", ball(fine, (0, -10, 0), 12.0), StructureRole.OAR, "Larynx"),
        Structure("Brain", ball(beyond, (-90, 0, 0), 20.0), StructureRole.OAR, "Brain"),
    )
    write_patient_folder(patient.with_structures([*patient.structures, *extra]), tmp_path / "case")
    assert len(list((tmp_path / "case").glob("*.seg.nrrd"))) == 2
    again = {structure.name: structure for structure in read_patient(tmp_path / "case").structures}
    for structure in extra:
        wanted, got = structure.mask.cropped_to_nonzero(), again[structure.name].mask
        assert got.geometry.is_close(wanted.geometry) and np.array_equal(got.array, wanted.array), structure.name


def test_a_folder_in_use_is_not_overwritten_and_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        write_patient_folder(ball_patient(), tmp_path / "case")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write"):
        write_patient_folder(ball_patient(), tmp_path / "file" / "case")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["case", "file"]


def test_a_patient_without_a_ct_keeps_its_grid(tmp_path):
    write_patient_folder(replace(ball_patient(), ct=None), tmp_path / "case")
    again = read_patient(tmp_path / "case")
    assert again.ct is None and again.geometry.is_close(AXIAL)
