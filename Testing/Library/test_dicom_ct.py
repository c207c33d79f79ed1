"""CT series: order, orientation, gaps, and what is refused."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_phantom import Study, write_ct
from phantom import oblique_geometry, points_mm

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_ct import read_ct
from DosePredictionLib.patient.dicom_versions import find_dicom_files
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

HFS = Geometry((12, 14, 16), (1.5, 1.2, 3.0), (-11.0, -9.0, -20.0))
FFS = Geometry((12, 14, 16), (1.5, 1.2, 3.0), (11.0, -9.0, 20.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
HFP = Geometry((12, 14, 16), (1.5, 1.2, 3.0), (11.0, 9.0, -20.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
SLOPES = np.array([3.0, 4.0, 2.0])
CORONAL = Geometry((12, 14, 16), (1.5, 1.2, 3.0), (-11.0, -9.0, 20.0), (1.0, 0, 0, 0, 0, 1.0, 0, -1.0, 0))


def ramp(geometry: Geometry) -> Volume:
    """HU that tell the place: 3 a mm along x, 4 along y, 2 along z."""
    return Volume(np.rint(points_mm(geometry) @ SLOPES).astype(np.int16), geometry)


def read(folder):
    return read_ct([file for file in find_dicom_files(folder) if file.modality == "CT"])


@pytest.mark.parametrize("geometry", [HFS, FFS, HFP, CORONAL, oblique_geometry((9.0, 8.0, 12.0))])
def test_every_orientation_comes_back_where_it_was(tmp_path, geometry):
    ct = ramp(geometry)
    write_ct(tmp_path, ct, Study())
    read_back, warnings = read(tmp_path)
    assert warnings == []
    assert read_back.geometry.is_close(geometry, 1e-3)
    assert np.array_equal(read_back.array, ct.array) and read_back.array.dtype == np.int16


def test_it_lies_where_the_image_library_puts_it(tmp_path):
    geometry = oblique_geometry((9.0, 8.0, 12.0))
    write_ct(tmp_path, ramp(geometry), Study())
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = Volume.of_image(reader.Execute())
    read_back, _ = read(tmp_path)
    assert read_back.geometry.is_close(image.geometry, 1e-2)
    assert np.array_equal(read_back.array, image.array)


def test_rescaling_and_padding(tmp_path):
    ct = Volume(np.full(HFS.shape, -1024, np.int16), HFS)
    write_ct(tmp_path, ct, Study(), RescaleIntercept="-3024")
    assert read(tmp_path)[0].array.max() == -1024, "what is thinner than air is air"
    ct = Volume(np.full(HFS.shape, 976, np.int16), HFS)
    write_ct(tmp_path, ct, Study(), RescaleSlope="0.5", RescaleIntercept="-1000.5")
    values = read(tmp_path)[0].array
    assert values.dtype == np.float32 and np.unique(values) == pytest.approx([-0.5])


def test_unsigned_pixels_that_are_hounsfield_units_already(tmp_path):
    ct = Volume(np.full(HFS.shape, 40 - 1024, np.int16), HFS)  # 40 as stored
    write_ct(tmp_path, ct, Study(), RescaleIntercept="0")
    assert np.unique(read(tmp_path)[0].array) == pytest.approx([40])


@pytest.mark.parametrize("tag", [0x00281052, 0x00281053], ids=["RescaleIntercept", "RescaleSlope"])
def test_a_rescaling_that_is_no_number_is_named(tmp_path, tag):
    write_ct(tmp_path, ramp(HFS), Study())
    file = tmp_path / "0003.dcm"
    one = pydicom.dcmread(file)
    for value in ("abc", "1e999"):
        one[tag] = pydicom.DataElement(tag, "DS", value, already_converted=True)
        one.save_as(file)
        with pytest.raises(InputError, match=r"0003\.dcm has a RescaleSlope or RescaleIntercept that is no number"):
            read(tmp_path)


def test_missing_slices_are_interpolated_and_told(tmp_path):
    write_ct(tmp_path, ramp(HFS), Study(), skip=(4, 5))
    volume, warnings = read(tmp_path)
    assert volume.geometry.is_close(HFS, 1e-3)
    assert np.abs(volume.array - ramp(HFS).array).max() <= 1
    assert warnings == ["The CT lacks 2 slices; they were interpolated between their neighbours."]


def test_a_wide_gap_is_refused(tmp_path):
    write_ct(tmp_path, ramp(HFS), Study(), skip=(4, 5, 6, 7))
    with pytest.raises(InputError, match=r"lacks slices between -11\.0 and 4\.0 mm"):
        read(tmp_path)


def test_varying_slice_distances_are_interpolated_to_the_smallest(tmp_path):
    heights = [0, 2, 4, 6, 8, 10, 15, 20, 25, 30, 35, 40]
    geometry = Geometry(HFS.shape, (1.5, 1.2, 1.0), HFS.origin_mm)
    points = points_mm(geometry)
    points[..., 2] = np.asarray(heights)[:, None, None]
    ct = Volume(np.rint(points @ SLOPES).astype(np.int16), geometry)
    write_ct(tmp_path, ct, Study(), heights_mm=heights)
    volume, warnings = read(tmp_path)
    assert volume.geometry.shape[0] == 21 and volume.geometry.spacing_mm[2] == pytest.approx(2.0)
    wanted = np.rint((points_mm(volume.geometry) - [0, 0, HFS.origin_mm[2]]) @ SLOPES)
    assert np.abs(volume.array - wanted).max() <= 1
    assert "varying distances" in warnings[0]


@pytest.mark.parametrize("skip", [(), (17,)], ids=["whole", "one missing"])
@pytest.mark.parametrize("step_mm", [1.25, 0.625, 3.27])
def test_positions_rounded_to_a_tenth_of_a_millimetre_are_even(tmp_path, step_mm, skip):
    geometry = Geometry((40, 14, 16), (1.5, 1.2, step_mm), HFS.origin_mm)
    ct = ramp(geometry)
    write_ct(tmp_path, ct, Study(), heights_mm=np.round(step_mm * np.arange(40), 1), skip=skip)
    volume, warnings = read(tmp_path)
    assert len(warnings) == len(skip)
    assert volume.array.shape == ct.array.shape and volume.geometry.spacing_mm[2] == pytest.approx(step_mm, abs=2e-3)
    there = [index for index in range(40) if index not in skip]
    assert np.array_equal(volume.array[there], ct.array[there]), "no slice is touched"


def test_steps_that_differ_by_little_but_add_up_are_not_even(tmp_path):
    heights = np.concatenate([2.0 * np.arange(20), 40.0 + 2.02 * np.arange(20)])
    geometry = Geometry((40, 14, 16), (1.5, 1.2, 2.0), HFS.origin_mm)
    write_ct(tmp_path, ramp(geometry), Study(), heights_mm=heights)
    assert "varying distances" in read(tmp_path)[1][0]


@pytest.mark.parametrize("again", [(5,), (5, 6), tuple(range(12))], ids=["one slice", "two", "all"])
@pytest.mark.parametrize("shift_mm", [0.02, 0.05, 0.5])
def test_slices_that_are_there_again_a_little_above_are_refused(tmp_path, shift_mm, again):
    study = Study()
    write_ct(tmp_path / "a", ramp(HFS), study)
    heights = HFS.spacing_mm[2] * np.arange(12) + shift_mm
    write_ct(tmp_path / "b", ramp(HFS), study, heights_mm=heights, skip=[i for i in range(12) if i not in again])
    with pytest.raises(InputError, match=r"two slices at one position \(\d{4}\.dcm and \d{4}\.dcm\)"):
        read(tmp_path)


def stretches(fine_mm: float, fine: int, coarse_mm: float, coarse: int) -> np.ndarray:
    """Heights of fine slices in the head and coarse ones below."""
    return np.concatenate([fine_mm * np.arange(fine), fine_mm * (fine - 1) + coarse_mm * np.arange(1, coarse + 1)])


def spirals(step_mm: float, between_mm: float) -> np.ndarray:
    """Heights of two spirals of 20 slices, the second beginning a little after the first one's end, or before it."""
    first = step_mm * np.arange(20)
    return np.sort(np.concatenate([first, first[-1] + between_mm + first]))


@pytest.mark.parametrize(
    ("heights", "step_mm"),
    [
        (stretches(1.0, 6, 5.0, 24), 1.0), (np.round(stretches(0.625, 30, 3.0, 20), 1), 0.6),
        (np.round(stretches(0.9765, 30, 5.0, 20), 1), 0.9), (spirals(3.0, 0.6), 0.6), (spirals(5.0, 1.2), 1.2),
        (spirals(3.0, -0.6), 0.6),
    ],
    ids=["fine", "fine, rounded", "1 mm, rounded", "two spirals", "two coarse spirals", "two spirals that overlap"],
)  # fmt: skip
def test_fine_stretches_and_a_second_spiral_are_no_slices_twice(tmp_path, heights, step_mm):
    geometry = Geometry((len(heights), 14, 16), (1.5, 1.2, 3.0), HFS.origin_mm)
    write_ct(tmp_path, ramp(geometry), Study(), heights_mm=list(heights))
    volume, warnings = read(tmp_path)
    assert volume.geometry.spacing_mm[2] == pytest.approx(step_mm, abs=0.02)
    assert len(volume.array) == round(np.ptp(heights) / volume.geometry.spacing_mm[2]) + 1
    assert "varying distances; they were interpolated to" in warnings[0]


def test_a_tilted_gantry_is_refused(tmp_path):
    write_ct(tmp_path, ramp(HFS), Study(), shear_mm=0.4)
    with pytest.raises(InputError, match="tilted gantry"):
        read(tmp_path)


def test_localizers_are_passed_over(tmp_path):
    study = Study()
    write_ct(tmp_path / "ct", ramp(HFS), study)
    other = Study(study_uid=study.study_uid, frame_uid=study.frame_uid)
    write_ct(tmp_path / "scout", ramp(CORONAL), other, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    from DosePredictionLib.patient.dicom_case import choose_case

    with pytest.raises(InputError, match="no structure set"):
        choose_case(tmp_path)


def test_slices_that_do_not_belong_together_are_refused(tmp_path):
    study = Study()
    write_ct(tmp_path / "a", ramp(HFS), study)
    uid = study.slice_uids
    write_ct(tmp_path / "b", ramp(HFS), study, skip=range(1, 12))
    assert study.slice_uids != uid
    with pytest.raises(InputError, match="two slices at one position"):
        read(tmp_path)
    write_ct(tmp_path / "b", ramp(FFS), study, skip=range(1, 12))
    with pytest.raises(InputError, match="different orientations"):
        read(tmp_path)


def test_damaged_and_strange_slices_are_named(tmp_path):
    paths = write_ct(tmp_path, ramp(HFS), Study())
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:-100])
    with pytest.raises(InputError, match=paths[3].name):
        read(tmp_path)
    write_ct(tmp_path, ramp(HFS), Study(), SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1")
    with pytest.raises(InputError, match="enhanced"):
        read(tmp_path)
    write_ct(tmp_path, ramp(HFS), Study(), PixelSpacing=None)
    with pytest.raises(InputError, match="PixelSpacing"):
        read(tmp_path)


def test_compressed_slices_are_read(tmp_path):
    import pydicom
    from pydicom.uid import RLELossless

    for path in write_ct(tmp_path, ramp(HFS), Study()):
        one = pydicom.dcmread(path)
        one.compress(RLELossless)
        one.save_as(path)
    assert np.array_equal(read(tmp_path)[0].array, ramp(HFS).array)


def test_files_of_other_kinds_are_passed_over(tmp_path):
    write_ct(tmp_path, ramp(HFS), Study())
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "noise").write_bytes(b"\0" * 4000)
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    (tmp_path / ".hidden.dcm").write_bytes(b"\0" * 128 + b"DICM")
    assert len(find_dicom_files(tmp_path)) == 12
