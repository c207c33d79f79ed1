"""Image files: what is broken is noticed in every format, also where the image library lets it pass."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import AXIAL, ball, ball_patient

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.image_file import image_stem, read_scalar_volume
from DosePredictionLib.patient.reading import read_patient


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("suffix", ["nrrd", "nii", "nii.gz", "mha"])
def test_whole_files_are_read_and_truncated_ones_named(tmp_path, suffix, compressed):
    ct = ball_patient().ct
    path = tmp_path / f"ct.{suffix}"
    sitk.WriteImage(ct.to_image(), str(path), useCompression=compressed)
    read = read_scalar_volume(path)
    assert np.array_equal(read.array, ct.array) and read.geometry.is_close(ct.geometry)
    content = path.read_bytes()
    for keep in (0.999, 0.6, 0.1):
        path.write_bytes(content[: int(keep * len(content))])
        with pytest.raises(InputError, match=f"ct.{suffix}.*(truncated|damaged)"):
            read_scalar_volume(path)


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "mha"])
def test_a_flipped_bit_in_compressed_voxels_is_noticed(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(-1000, 1000, AXIAL.shape).astype(np.int16)
    path = tmp_path / f"ct.{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(path), useCompression=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"ct.{suffix}"):
        read_scalar_volume(path)


def test_files_that_are_no_images_are_named(tmp_path):
    (tmp_path / "ct.nrrd").write_text("NRRD? No.")
    with pytest.raises(InputError, match="ct.nrrd"):
        read_scalar_volume(tmp_path / "ct.nrrd")
    with pytest.raises(InputError, match="no file"):
        read_scalar_volume(tmp_path / "missing.nrrd")


def test_colour_and_time_series_are_refused(tmp_path):
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkVectorUInt8, 3), str(tmp_path / "rgb.nrrd"))
    with pytest.raises(InputError, match="3 values a voxel"):
        read_scalar_volume(tmp_path / "rgb.nrrd")
    sitk.WriteImage(sitk.Image([4, 4, 4, 3], sitk.sitkInt16), str(tmp_path / "series.nii"))
    with pytest.raises(InputError, match="4 dimensions"):
        read_scalar_volume(tmp_path / "series.nii")


def test_an_image_that_is_no_mask_is_not_taken_for_a_structure(tmp_path):
    patient = ball_patient()
    patient.ct.write(tmp_path / "ct.nrrd")
    patient.structures[1].mask.write(tmp_path / "PTV70.nrrd")
    noise = np.random.default_rng(0).normal(size=AXIAL.shape).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(noise), str(tmp_path / "mr.nrrd"))
    with pytest.raises(InputError, match="mr.nrrd.*no mask"):
        read_patient(tmp_path)


def test_masks_may_have_any_one_value(tmp_path):
    patient = ball_patient()
    patient.ct.write(tmp_path / "ct.nrrd")
    mask = ball(AXIAL, (8.0, -10.0, 4.0), 17.0)
    sitk.WriteImage(sitk.Cast(mask.to_image(), sitk.sitkFloat32) * 255.0, str(tmp_path / "PTV70.nii.gz"))
    (target,) = read_patient(tmp_path).structures
    assert np.array_equal(target.mask.on_grid(AXIAL, nearest=True).array, mask.array)


def test_two_cts_are_refused(tmp_path):
    for name in ("ct.nrrd", "ct.nii.gz"):
        ball_patient().ct.write(tmp_path / name)
    with pytest.raises(InputError, match="ct.nii.gz and ct.nrrd"):
        read_patient(tmp_path)


@pytest.mark.parametrize(
    ("name", "stem"), [("PTV_54.25.nii.gz", "PTV_54.25"), ("Parotid_L.nrrd", "Parotid_L"), ("a.seg.nrrd", "a")]
)
def test_a_structure_is_named_by_its_file(tmp_path, name, stem):
    assert image_stem(tmp_path / name) == stem
