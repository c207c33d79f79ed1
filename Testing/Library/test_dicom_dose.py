"""RTDOSE in: any placing of frames, units, types and summations."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantom import PLAN as PLAN_STORAGE
from dicom_phantom import Study, item, reference, write_dose
from phantom import oblique_geometry, points_mm

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_dose import read_clinical_dose, read_dose
from DosePredictionLib.patient.dicom_plan import DicomPlan
from DosePredictionLib.patient.dicom_versions import find_dicom_files
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume

HFS = Geometry((9, 11, 13), (2.5, 2.0, 3.0), (-12.0, -9.0, -20.0))
FFS = Geometry((9, 11, 13), (2.5, 2.0, 3.0), (12.0, -9.0, 20.0), (-1.0, 0, 0, 0, 1.0, 0, 0, 0, -1.0))
HFP = Geometry((9, 11, 13), (2.5, 2.0, 3.0), (12.0, 9.0, -20.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
PLAN = DicomPlan(prescription_gy=60.0)


def dose_on(geometry: Geometry) -> Volume:
    """A dose that tells every place apart."""
    values = 30.0 + points_mm(geometry) @ np.array([0.3, 0.2, 0.5])
    return Volume(np.maximum(values, 0.0).astype(np.float32), geometry)


def read(path, prescription_gy=None):
    warnings: list[str] = []
    return read_dose(path, prescription_gy, warnings), warnings


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("geometry", [HFS, FFS, HFP])
def test_frames_relative_or_absolute_up_or_down(tmp_path, geometry, absolute, downwards):
    path = write_dose(tmp_path / "d.dcm", dose_on(geometry), Study(), absolute=absolute, downwards=downwards)
    volume, warnings = read(path)
    assert volume.geometry.is_close(geometry, 1e-3) and warnings == []
    assert np.abs(volume.array - dose_on(geometry).array).max() < 1e-5


@pytest.mark.parametrize("downwards", [False, True])
def test_an_oblique_grid(tmp_path, downwards):
    geometry = oblique_geometry((11.0, 9.0, 12.0))
    path = write_dose(tmp_path / "d.dcm", dose_on(geometry), Study(), downwards=downwards)
    volume, warnings = read(path)
    assert volume.geometry.is_close(geometry, 1e-3) and warnings == []
    assert np.abs(volume.array - dose_on(geometry).array).max() < 1e-5


def test_sixteen_bits_are_enough_for_a_milligray(tmp_path):
    volume, _ = read(write_dose(tmp_path / "d.dcm", dose_on(HFS), Study(), bits=16))
    assert np.abs(volume.array - dose_on(HFS).array).max() < 1e-3


def test_uneven_frames_are_interpolated_and_told(tmp_path):
    heights = np.array([0, 2, 4, 6, 9, 12, 15, 18, 21], float)
    points = points_mm(HFS)
    points[..., 2] = HFS.origin_mm[2] + heights[:, None, None]
    dose = Volume((30 + points @ np.array([0.3, 0.2, 0.5])).astype(np.float32), HFS)
    volume, warnings = read(write_dose(tmp_path / "d.dcm", dose, Study(), heights_mm=heights))
    assert "unevenly spaced" in warnings[0]
    assert np.abs(volume.array - dose_on(volume.geometry).array).max() < 1e-3


def test_relative_doses_are_scaled_with_the_prescription_or_refused(tmp_path):
    percent = Volume(dose_on(HFS).array * np.float32(100 / 60), HFS)
    path = write_dose(tmp_path / "p.dcm", percent, Study(), DoseUnits="RELATIVE")
    volume, warnings = read(path, 60.0)
    assert np.abs(volume.array - dose_on(HFS).array).max() < 1e-4
    assert warnings == ["The clinical dose is relative; 100 % was taken to be the prescribed 60 Gy."]
    fraction = Volume(dose_on(HFS).array / np.float32(60), HFS)
    path = write_dose(tmp_path / "f.dcm", fraction, Study(), DoseUnits="RELATIVE")
    assert np.abs(read(path, 60.0)[0].array - dose_on(HFS).array).max() < 1e-4
    with pytest.raises(InputError, match=r"f\.dcm is relative and no prescription"):
        read(path, None)
    odd = write_dose(tmp_path / "o.dcm", Volume(dose_on(HFS).array * 100, HFS), Study(), DoseUnits="RELATIVE")
    with pytest.raises(InputError, match="neither a fraction nor per cent"):
        read(odd, 60.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"DoseUnits": "CGY"}, "is in CGY"), ({"DoseGridScaling": None}, "no DoseGridScaling"),
        ({"GridFrameOffsetVector": [0, 3, 6]}, "no positions that fit"),
        ({"ImagePositionPatient": None}, "where its voxels"), ({"ImagePositionPatient": [1, 2]}, "where its voxels"),
        ({"GridFrameOffsetVector": [0, 3, 6, 9, 6, 15, 18, 21, 24]}, "ascend or descend"),
        ({"PixelData": b"\0" * 64}, "truncated"),
    ],
)  # fmt: skip
def test_broken_doses_are_refused_by_name(tmp_path, changes, told):
    path = write_dose(tmp_path / "RD.dcm", dose_on(HFS), Study(), **changes)
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert "RD.dcm" in str(refused.value)


def test_a_single_plane_is_refused(tmp_path):
    flat = Volume(dose_on(HFS).array[:1], HFS.cropped((0, 0, 0), (1, 11, 13)))
    with pytest.raises(InputError, match="single plane"):
        read(write_dose(tmp_path / "RD.dcm", flat, Study()))


def choose(folder, plan=PLAN, beams=0):
    return read_clinical_dose(find_dicom_files(folder), plan, beams)


def half(part: float) -> Volume:
    return Volume(dose_on(HFS).array * np.float32(part), HFS)


def test_the_plans_dose_comes_before_those_of_its_beams(tmp_path):
    study = Study()
    write_dose(tmp_path / "b1.dcm", half(0.3), study, DoseSummationType="BEAM")
    write_dose(tmp_path / "plan.dcm", dose_on(HFS), study)
    volume, warnings = choose(tmp_path)
    assert np.abs(volume.array - dose_on(HFS).array).max() < 1e-5 and warnings == []


def test_doses_of_all_beams_are_added_and_some_are_refused(tmp_path):
    study = Study()
    write_dose(tmp_path / "b1.dcm", half(0.3), study, DoseSummationType="BEAM")
    write_dose(tmp_path / "b2.dcm", half(0.7), study, DoseSummationType="BEAM")
    volume, warnings = choose(tmp_path, beams=2)
    assert np.abs(volume.array - dose_on(HFS).array).max() < 1e-5
    assert warnings == ["The clinical dose is the sum of 2 beams."]
    with pytest.raises(InputError, match="2 beams of a plan with 5"):
        choose(tmp_path, beams=5)
    shifted = Volume(half(0.7).array, Geometry(HFS.shape, HFS.spacing_mm, (0.0, 0.0, 0.0)))
    write_dose(tmp_path / "b2.dcm", shifted, study, DoseSummationType="BEAM")
    with pytest.raises(InputError, match="different grids"):
        choose(tmp_path, beams=2)


def write_beams(path, study: Study, part: float, *numbers: int) -> None:
    """The dose of some beams, which it names."""
    plan = reference(PLAN_STORAGE, study.plan_uid)
    beams = [item(ReferencedBeamNumber=number) for number in numbers]
    plan.ReferencedFractionGroupSequence = [item(ReferencedFractionGroupNumber=1, ReferencedBeamSequence=beams)]
    write_dose(path, half(part), study, DoseSummationType="BEAM", ReferencedRTPlanSequence=[plan])


def test_each_beam_counts_once_whatever_the_number_of_files(tmp_path):
    study, plan = Study(), DicomPlan(prescription_gy=60.0, beam_numbers=frozenset({1, 2}))
    write_beams(tmp_path / "b1.dcm", study, 0.3, 1)
    write_beams(tmp_path / "again.dcm", study, 0.3, 1)
    with pytest.raises(InputError, match=r"the dose of beam 1 twice, in again\.dcm and b1\.dcm"):
        choose(tmp_path, plan, 2)
    (tmp_path / "again.dcm").unlink()
    with pytest.raises(InputError, match="doses of 1 beams of a plan with 2"):
        choose(tmp_path, plan, 2)
    write_beams(tmp_path / "b3.dcm", study, 0.7, 3)
    with pytest.raises(InputError, match=r"b3\.dcm holds the dose of beam 3, which does not treat in the plan"):
        choose(tmp_path, plan, 2)
    (tmp_path / "b3.dcm").unlink()
    write_beams(tmp_path / "b2.dcm", study, 0.7, 2)
    assert np.abs(choose(tmp_path, plan, 2)[0].array - dose_on(HFS).array).max() < 1e-5


def test_one_file_may_hold_the_dose_of_several_beams(tmp_path):
    plan = DicomPlan(prescription_gy=60.0, beam_numbers=frozenset({1, 2, 4}))
    study = Study()
    write_beams(tmp_path / "b12.dcm", study, 0.4, 1, 2)
    write_beams(tmp_path / "b4.dcm", study, 0.6, 4)
    volume, warnings = choose(tmp_path, plan, 3)
    assert np.abs(volume.array - dose_on(HFS).array).max() < 1e-5
    assert warnings == ["The clinical dose is the sum of 3 beams."]


def test_without_a_plan_doses_of_single_beams_are_no_clinical_dose(tmp_path):
    write_beams(tmp_path / "b1.dcm", Study(), 0.5, 1)
    volume, warnings = choose(tmp_path)
    assert volume is None and "doses of single beams (b1.dcm), but no plan" in warnings[0]


def test_types_are_kept_apart(tmp_path):
    study = Study()
    write_dose(tmp_path / "error.dcm", half(0.1), study, DoseType="ERROR")
    volume, warnings = choose(tmp_path)
    assert volume is None and warnings == [
        "The only dose (error.dcm) is the difference of two doses (DoseType ERROR); no clinical dose was read."
    ]
    write_dose(tmp_path / "effective.dcm", half(1.1), study, DoseType="EFFECTIVE")
    volume, warnings = choose(tmp_path)
    assert "effective" in warnings[0] and volume.array.max() == pytest.approx(half(1.1).array.max())
    write_dose(tmp_path / "physical.dcm", half(1.0), study)
    volume, warnings = choose(tmp_path)
    assert volume.array.max() == pytest.approx(half(1.0).array.max()) and warnings == []


def test_candidates_are_named_and_unusable_kinds_told(tmp_path):
    study = Study()
    write_dose(tmp_path / "one" / "f.dcm", half(1.0), study, DoseSummationType="FRACTION")
    volume, warnings = choose(tmp_path / "one")
    assert volume is None and "only of kind FRACTION" in warnings[0]
    write_dose(tmp_path / "two" / "a.dcm", half(1.0), study)
    write_dose(tmp_path / "two" / "b.dcm", half(1.0), study)
    with pytest.raises(InputError, match=r"2 doses of one plan \(a\.dcm, b\.dcm\)"):
        choose(tmp_path / "two")
