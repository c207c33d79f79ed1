"""What scripts hand over: NumPy's numbers count as numbers, anything else is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball_patient

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.exchange import read_patient_exchange, write_patient


def test_a_patient_of_numpys_numbers_reaches_the_process_as_it_is(tmp_path):
    plain = ball_patient()
    grid = Geometry(*(np.array(part) for part in (AXIAL.shape, AXIAL.spacing_mm, AXIAL.origin_mm)), np.eye(3))
    given = replace(
        plain,
        geometry=grid,
        fractions=np.int64(35),
        beams=BeamArrangement([Beam(gantry_deg=angle) for angle in np.arange(0, 360, 40)], np.zeros(3, np.float32)),
        structures=[
            replace(s, prescription_gy=s.prescription_gy and np.float32(s.prescription_gy), role=s.role.value,
                    color=np.array((1.0, 0.5, 0.0), np.float32))
            for s in plain.structures
        ],
    )  # fmt: skip
    write_patient(check_patient(given), tmp_path / "patient.npz")
    again = read_patient_exchange(tmp_path / "patient.npz")
    assert again.geometry == grid == AXIAL and again.fractions == 35
    assert again.beams == replace(plain.beams, isocentre_mm=(0.0, 0.0, 0.0))
    assert [(s.role, s.prescription_gy) for s in again.structures] == [
        (s.role, s.prescription_gy) for s in plain.structures
    ]
    assert [s.name for s in given.with_role(StructureRole.TARGET)] == ["PTV70", "PTV56"]


def test_options_may_be_numpys_integers():
    options = PredictionOptions(np.int64(3), np.int32(2), np.uint8(1))
    assert options == PredictionOptions(3, 2, 1)
    assert [type(value) for value in (options.samples, options.steps, options.seed)] == [int, int, int]


@pytest.mark.parametrize(
    ("option", "value"), [("samples", 1.5), ("samples", "1"), ("samples", True), ("seed", 1.5), ("seed", None)]
)
def test_options_that_are_no_whole_numbers_are_refused(option, value):
    with pytest.raises(InputError, match=f"{option} is {value!r}; give a whole number from"):
        PredictionOptions(**{option: value})


@pytest.mark.parametrize("spacing_mm", [0.0, -4.0, np.nan, np.inf])
def test_a_grid_without_a_spacing_is_refused(spacing_mm):
    with pytest.raises(InputError, match="spacing of 4 x 4 x"):
        Geometry((40, 44, 48), (4.0, 4.0, spacing_mm))


@pytest.mark.parametrize("part", [
    {"shape": (40.9, 44, 48)}, {"shape": (40, 44)}, {"shape": 40}, {"shape": (40, 44, np.inf)},
    {"spacing_mm": (4.0, 4.0)}, {"spacing_mm": 3.0}, {"spacing_mm": ("4 mm", "4 mm", "3 mm")},
    {"origin_mm": (0.0, 0.0, 0.0, 1.0)},
    {"direction": (1.0, 0, 0)}, {"direction": np.eye(4)}, {"direction": ((1.0, 0, 0), (0, 1.0), (0, 0, 1.0))},
])  # fmt: skip
def test_a_grid_of_other_than_three_numbers_an_axis_is_refused(part):
    """A shape that is cut to whole numbers would lay a dose on voxels that the image has not."""
    with pytest.raises(InputError, match=next(iter(part)).removesuffix("_mm") + " of a grid is .*; give") as refused:
        replace(AXIAL, **part)
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_a_grid_may_be_given_in_whole_floats_and_rows():
    rows = np.reshape(AXIAL.direction, (3, 3))
    for direction in (rows, rows.tolist(), list(AXIAL.direction)):
        grid = Geometry(np.array(AXIAL.shape, float), list(AXIAL.spacing_mm), AXIAL.origin_mm, direction)
        assert grid == AXIAL and [type(size) for size in grid.shape] == [int, int, int]


def test_a_colour_is_taken_without_its_opacity_and_refused_without_three_numbers():
    organ = ball_patient().structures[3]
    assert replace(organ, color=(1.0, 0.5, 0, 0.3)).color == (1.0, 0.5, 0.0)
    for color in ("red", (1.0, 0.5), 0.5):
        with pytest.raises(InputError, match=f"The colour of {organ.name} is .*; give red, green and blue"):
            replace(organ, color=color)


def test_roles_prescriptions_and_fractions_that_are_none_are_refused():
    patient = ball_patient()
    with pytest.raises(InputError, match=r"'tumour' is no role \('PTV70'\); the roles are target, oar"):
        replace(patient.structures[1], role="tumour")
    with pytest.raises(InputError, match="prescription of PTV70 is '70 Gy'"):
        replace(patient.structures[1], prescription_gy="70 Gy")
    for fractions in (34.5, "35", np.nan, True, 0, -35, 350, 10**30):
        with pytest.raises(InputError, match="fractions of ball is .*; give a whole number"):
            replace(patient, fractions=fractions)
    for site in (3, b"thorax"):
        with pytest.raises(InputError, match="site of ball is .*; give a text"):
            replace(patient, site=site)


@pytest.mark.parametrize("given", ["pt_201.npz", ball_patient().ct.array, None])
def test_what_is_no_patient_is_refused(given):
    with pytest.raises(InputError, match="read_patient"):
        check_patient(given)


def test_bare_arrays_are_refused_by_name():
    patient = ball_patient()
    with pytest.raises(InputError, match=r"The CT of ball is no Volume .* give Volume\(array, geometry\)"):
        check_patient(replace(patient, ct=patient.ct.array))
    with pytest.raises(InputError, match="The reference dose of ball is no Volume"):
        check_patient(replace(patient, reference_dose=patient.ct.array))
    bare = [replace(s, mask=s.mask.array) if s.name == "Cord" else s for s in patient.structures]
    with pytest.raises(InputError, match="The mask of Cord of ball is no Volume"):
        check_patient(patient.with_structures(bare))
    with pytest.raises(InputError, match=r"ball has a Volume among its structures; give Structure\(name, mask, role\)"):
        check_patient(patient.with_structures([patient.structures[1].mask]))


MOVED = replace(AXIAL, origin_mm=(500.0, 0.0, 0.0))
TURNED = replace(AXIAL, origin_mm=(-94.0, 86.0, -58.5), direction=(1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))


@pytest.mark.parametrize("grid", [MOVED, TURNED, AXIAL.cropped((0, 0, 0), (20, 44, 48))])
def test_a_ct_on_another_grid_than_the_patients_is_refused(grid, tmp_path):
    patient = ball_patient()
    hu = patient.ct.array[: grid.shape[0]]
    elsewhere = replace(patient, ct=Volume(hu, grid))
    with pytest.raises(InputError, match=r"another grid .* ct\.on_grid\(patient\.geometry"):
        check_patient(elsewhere)
    write_patient(elsewhere, tmp_path / "patient.npz")  # as `Predictor.submit` does, which checks nothing itself
    with pytest.raises(InputError, match="another grid"):
        check_patient(read_patient_exchange(tmp_path / "patient.npz"))


def test_the_grid_that_the_sentence_asks_for_is_taken():
    patient = ball_patient()
    coarse = patient.ct.on_grid(Geometry((50, 50, 50), (5.0, 5.0, 5.0), (-120.0,) * 3), outside=-1000)
    check_patient(replace(patient, ct=coarse.on_grid(patient.geometry, outside=-1000)))
