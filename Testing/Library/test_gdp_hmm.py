"""Patients of the GDP-HMM challenge: read, scored, and never trusted."""

from __future__ import annotations

import builtins
import csv
import json
import os
import pickle
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.gdp_hmm_score import gdp_hmm_mae
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.reader_gdp_hmm import read_levels
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.patient.restricted_unpickler import RefusedPickle, load_object_array, unpickle
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume

SHAPE = (24, 30, 36)
LEVELS = {
    "HNC_001": {
        "PTV_High": {"OPTName": "PTVHighOPT", "PDose": 70, "RingName": "RingPTVHigh"},
        "PTV_Low": {"OPTName": "PTVLowOPT", "StructName": "PTVLow", "PDose": 56, "MinusName": "PTVLow-PTVMid"},
    },
    "007": {"PTV_High": {"OPTName": "PTV", "PDose": 60.0}},
}  # fmt: skip


def ball(z: float, y: float, x: float, radius: float) -> np.ndarray:
    index = np.indices(SHAPE)
    distance = np.sqrt(((index[0] - z) * 2) ** 2 + ((index[1] - y) * 2.5) ** 2 + ((index[2] - x) * 2.5) ** 2)
    return (distance <= radius).astype(np.uint8)


def content() -> dict:
    """What the challenge's conversion script puts into its dictionary."""
    middle = np.indices(SHAPE) - np.array([12, 15, 18])[:, None, None, None]
    stored = (1e6 * np.exp(-(middle.astype(float) ** 2).sum(axis=0) / 220.0)).astype(np.uint32)
    return {
        "img": np.where(ball(12, 15, 18, 34) > 0, 20, -1500).astype(np.int16),
        "Body": ball(12, 15, 18, 34), "PTVHighOPT": ball(12, 15, 18, 10), "PTVLow": ball(12, 15, 18, 18),
        "PTVLowOPT": ball(12, 15, 18, 17), "SpinalCord": ball(12, 22, 18, 5), "Larynx-PTV": ball(8, 10, 18, 5),
        "Empty": np.zeros(SHAPE, np.uint8), "all_mask": ["Body", "PTVHighOPT", "Empty"],
        "dose": stored, "dose_scale": 6.4e-05, "isVMAT": False, "isocenter": [12.0, 15.0, 18.0],
        "angle_list": np.array([0, 40, 320, 160], np.float32), "beam_plate": np.ones(SHAPE, np.float32) * 0.25,
        "angle_plate": np.eye(30, 36), "origin": [10.0, -20.0, 30.0], "spacing": (2.5, 2.5, 2.0),
        "direction": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), "size": SHAPE,
    }  # fmt: skip


def write(path: Path, values: object, levels: bool = True) -> Path:
    """As the challenge does: ``np.savez_compressed`` of a dictionary, which numpy pickles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, values)
    if levels:
        (path.parent / "PTV_DICT.json").write_text(json.dumps(LEVELS))
    return path


@pytest.fixture
def case(tmp_path) -> Path:
    return write(tmp_path / "HNC_001+A4Ac+MOS_25934.npz", content())


def test_structures_prescriptions_and_plan(case):
    patient = read_patient(case)
    assert patient.identifier == "HNC_001+A4Ac+MOS_25934" and patient.site == "head-and-neck"
    roles = {s.name: (s.role, s.prescription_gy) for s in patient.structures}
    assert roles["PTVHighOPT"] == (StructureRole.TARGET, 70.0)
    assert roles["PTVLow"] == (StructureRole.TARGET, 56.0)
    assert roles["PTVLowOPT"] == (StructureRole.OTHER, None)
    assert roles["Body"][0] is StructureRole.EXTERNAL and roles["SpinalCord"][0] is StructureRole.OAR
    assert "Empty" not in roles and "beam_plate" not in roles
    assert patient.technique == "IMRT"
    assert [beam.gantry_deg for beam in patient.beams.beams] == [0.0, 40.0, 160.0, 320.0]
    assert patient.beams.isocentre_mm == pytest.approx((10 + 18 * 2.5, -20 + 15 * 2.5, 30 + 12 * 2.0))
    assert patient.warnings == ()


def test_geometry_and_hounsfield_units(case):
    patient = read_patient(case)
    assert patient.geometry.shape == SHAPE and patient.geometry.spacing_mm == (2.5, 2.5, 2.0)
    assert patient.geometry.origin_mm == (10.0, -20.0, 30.0)
    assert patient.ct.array.min() == -1024 and patient.ct.array.max() == 20
    cord = patient.standard("SpinalCord").mask
    assert np.array_equal(cord.on_grid(patient.geometry, nearest=True).array, content()["SpinalCord"])


def test_the_dose_is_scaled_as_the_challenge_does(case):
    values = content()
    dose = values["dose"] * values["dose_scale"]
    wanted = dose * 70 / (np.percentile(dose[values["PTVHighOPT"].astype(bool)], 3) + 1e-5)
    patient = read_patient(case)
    assert np.abs(patient.reference_dose.array - wanted).max() < 1e-4
    inside = patient.reference_dose.array[values["PTVHighOPT"] > 0]
    assert np.percentile(inside, 3) == pytest.approx(70.0, abs=1e-3), "D97 is the prescription"


def test_arcs_are_thinned(tmp_path):
    values = {
        **content(),
        "isVMAT": True,
        "angle_list": np.random.default_rng(0).permutation(np.arange(1.0, 360.0, 2.0)),
    }
    patient = read_patient(write(tmp_path / "HNC_001+x.npz", values))
    angles = [beam.gantry_deg for beam in patient.beams.beams]
    assert patient.technique == "VMAT" and len(angles) == 36
    assert np.diff(angles).min() == 10.0


def test_prescriptions_are_looked_for_around(tmp_path):
    path = write(tmp_path / "set" / "train" / "7+A1.npz", {**content(), "PTV": ball(12, 15, 18, 9)}, levels=False)
    patient = read_patient(path)
    assert patient.prescription_gy == 0.0 and "PTV_DICT.json" in patient.warnings[0]
    assert patient.reference_dose.array.max() == pytest.approx(64.0, rel=1e-3), "as stored"
    (tmp_path / "set" / "meta_files").mkdir()
    (tmp_path / "set" / "meta_files" / "PTV_DICT.json").write_text(json.dumps(LEVELS))
    assert [(level.structure, level.dose_gy) for level in read_levels(path)] == [("PTV", 60.0)]
    assert read_patient(path).prescription_gy == 60.0


def test_files_without_geometry_have_the_challenges_spacing(tmp_path):
    values = {key: value for key, value in content().items() if key not in ("origin", "spacing", "direction", "dose")}
    patient = read_patient(write(tmp_path / "HNC_001+x.npz", values))
    assert patient.geometry.spacing_mm == (2.5, 2.5, 2.0) and patient.reference_dose is None


def test_a_folder_of_patients_is_found_beside_its_tables(case):
    other = write(case.parent / "HNC_001+B.npz", content())
    assert find_cases(case.parent) == [case, other]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_protocol_and_order_come_back(protocol, order):
    arrays = {
        "a": np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)) if order == "F" else np.arange(24.0).reshape(2, 3, 4),
        "b": np.array([True, False]), "c": np.array([1, -2], ">i2"), "d": [np.float32(0.5), np.int64(7)],
        "e": {"text": ("x", None, True, 1.5, 3)}, "f": np.zeros((0, 3), np.uint8),
    }  # fmt: skip
    if protocol == 2:  # bytes went through a function of another module then
        with pytest.raises(RefusedPickle, match="_codecs.encode"):
            unpickle(BytesIO(pickle.dumps(arrays, protocol)))
        return
    back = unpickle(BytesIO(pickle.dumps(arrays, protocol)))
    for name in ("a", "b", "c", "f"):
        assert np.array_equal(back[name], arrays[name]) and back[name].shape == arrays[name].shape
    assert back["d"] == [0.5, 7] and back["e"] == arrays["e"]


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {mark}",), "posix.system|nt.system"),
        (subprocess.Popen, (["touch", "{mark}"],), "subprocess.Popen"),
        (builtins.eval, ("open('{mark}', 'w')",), "builtins.eval"),
        (builtins.exec, ("open('{mark}', 'w')",), "builtins.exec"),
        (builtins.getattr, ("text", "upper"), "builtins.getattr"),
        (open, ("{mark}", "w"), "io.open"),
        (np.load, ("{mark}",), "numpy.load"),
        (np.fromfile, ("/etc/hostname", np.uint8), "numpy.fromfile"),
        (np.save, ("{mark}", 1), "numpy.save"),
        (np.memmap, ("{mark}", "u1", "w+", 0, 8), "numpy.memmap"),
        (np.frombuffer, (b"12345678",), "numpy.frombuffer"),
        (pickle.loads, (b"I1\n.",), "_pickle.loads"),
    ],
)
def test_a_file_that_calls_anything_is_refused_by_name_and_nothing_is_run(tmp_path, function, arguments, name):
    mark = tmp_path / "mark"
    filled = [
        [part.replace("{mark}", str(mark)) for part in a] if isinstance(a, list)
        else a.replace("{mark}", str(mark)) if isinstance(a, str) else a for a in arguments
    ]  # fmt: skip
    values = {**content(), "extra": Calls(function, *filled)}
    try:
        path = write(tmp_path / "HNC_001+evil.npz", values)
    except (pickle.PicklingError, TypeError):
        pytest.fail("this test's own file could not be made")
    with pytest.raises(InputError, match=f"it names [a-z._]*({name})") as refused:
        read_patient(path)
    assert "HNC_001+evil.npz" in str(refused.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (b"cnumpy\nndarray\n((I2\nlX8\x00\x00\x00float64tR.", "calls numpy.ndarray|damaged"),
        (b"cnumpy\ndtype\n.", "no data"),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00V8tR.", "type 'V8'"),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8tR.", "no data"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.", r"numpy\.dtype\.__init__"),
        (b"\x80\x04\x8c\x0bnumpy._core\x8c\x0dmultiarray.os\x93.", "names"),
        (b"Pabc\n.", "outside itself"),
        (b"\x80\x04K\x01", "damaged"),
        (b"", "damaged"),
    ],
)  # fmt: skip
def test_crafted_pickles_are_refused(program, told):
    with pytest.raises(RefusedPickle, match=told):
        unpickle(BytesIO(program))


def test_arrays_whose_size_is_a_lie_are_refused():
    honest = pickle.dumps(np.arange(4, dtype=np.uint8), 3)
    assert unpickle(BytesIO(honest)).tolist() == [0, 1, 2, 3]
    shape = honest.index(b"K\x04\x85")
    with pytest.raises(RefusedPickle, match="size does not fit"):
        unpickle(BytesIO(honest[:shape] + b"K\xff\x85" + honest[shape + 3 :]))


def test_deep_nesting_and_circles_do_not_bring_it_down():
    with pytest.raises(RefusedPickle, match="nested too deeply"):
        unpickle(BytesIO(b"]" * 50_000 + b"a" * 49_999 + b"."))
    with pytest.raises(RefusedPickle, match="nested too deeply"):
        unpickle(BytesIO(b"]q\x00h\x00a."))


def test_damaged_files_are_named(tmp_path):
    whole = write(tmp_path / "HNC_001+x.npz", content()).read_bytes()
    path = tmp_path / "HNC_001+cut.npz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"HNC_001\+cut\.npz"):
        read_patient(path)
    with pytest.raises(RefusedPickle, match="damaged"):
        load_object_array(path)
    with pytest.raises(InputError, match="no CT"):
        read_patient(write(tmp_path / "HNC_001+noct.npz", {"dose": np.zeros(SHAPE)}))
    (tmp_path / "PTV_DICT.json").write_text("{")
    with pytest.raises(InputError, match=r"PTV_DICT\.json"):
        read_patient(tmp_path / "HNC_001+x.npz")


def test_the_error_is_the_challenges():
    reference = np.array([[10.0, 10.0, 4.0, 0.0, 60.0]])
    predicted = np.array([[8.0, 10.0, 9.0, 4.9, 63.0]])
    body = np.array([[1, 1, 1, 1, 0]])
    # Voxels 0, 1 (reference) and 2 (prediction alone) count; 3 is below 5 Gy in both, 4 outside the body.
    assert gdp_hmm_mae(predicted, reference, body) == pytest.approx((2.0 + 0.0 + 5.0) / 2)
    assert gdp_hmm_mae(reference, reference, body) == 0.0
    with pytest.raises(InputError, match="nowhere above"):
        gdp_hmm_mae(predicted, reference * 0, body)
    with pytest.raises(InputError, match="same grid"):
        gdp_hmm_mae(predicted, reference, body[:, :3])
    with pytest.raises(InputError, match="not numbers"):
        gdp_hmm_mae(predicted * np.nan, reference, body)


def test_evaluate_shows_it(case, tmp_path, capsys):
    patient = read_patient(case)
    predicted = Volume(patient.reference_dose.array * np.float32(1.05), patient.geometry)
    predictions, out = tmp_path / "predictions", tmp_path / "scores"
    predicted.write(predictions / f"{patient.identifier}.nrrd")
    assert main(["evaluate", str(case), "--predictions", str(predictions), "-o", str(out)]) == 0
    body = content()["Body"] > 0
    reference = patient.reference_dose.array
    counted = ((reference > 5) | (predicted.array > 5)) & body
    wanted = np.abs(reference - predicted.array)[counted].sum() / ((reference > 5) & body).sum()
    assert json.loads((out / "summary.json").read_text())["gdp_hmm_mae_gy"] == pytest.approx(wanted, abs=1e-4)
    rows = list(csv.DictReader(open(out / "scores.csv", newline="")))
    assert [float(row["gdp_hmm_mae_gy"]) for row in rows] == pytest.approx([wanted, wanted], abs=1e-5)
    assert f"GDP-HMM: mean absolute error {wanted:.3f} Gy" in capsys.readouterr().out
