"""The command line, as a user types it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import AXIAL, ball_dose, ball_patient
from tiny import TINY, tiny_weights

from DosePredictionLib.cli.main import COMMANDS, main, parser
from DosePredictionLib.cli.model_options import MODEL_DEFAULTS
from DosePredictionLib.cli.options_apart import check_apart
from DosePredictionLib.cli.predict import DOSE_DEFAULTS
from DosePredictionLib.dosimetry.patient_scores import score_patient
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.weights import WeightsHeader, read_weights, save_weights
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder

pytestmark = pytest.mark.usefixtures("worker_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases") / "ball"
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), folder)
    return folder


def test_predict_writes_dose_dvh_goals_and_provenance(case, weights, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["predict", str(case), "-o", str(out), "--weights", str(weights), "--samples", "2", "--device", "cpu"])
    assert code == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "dose.nrrd", "dose_std.nrrd", "dvh.csv", "goals.csv", "prediction.json"
    ]  # fmt: skip
    image = sitk.ReadImage(str(out / "dose.nrrd"))
    ct = sitk.ReadImage(str(case / "ct.nrrd"))
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSize() == ct.GetSize()
    assert image.GetOrigin() == pytest.approx(ct.GetOrigin())
    assert image.GetSpacing() == pytest.approx(ct.GetSpacing())
    provenance = json.loads((out / "prediction.json").read_text())
    assert provenance["samples"] == 2 and provenance["device"] == "cpu" and len(provenance["weights_sha256"]) == 64
    assert provenance["intended_use"] == "Research use, not for clinical decisions."
    header = (out / "dvh.csv").read_text().splitlines()[0].split(",")
    assert header[0] == "dose_gy" and "PTV70" in header
    told = capsys.readouterr().out
    assert "PTV70" in told and "[head-and-neck]: for head-and-neck; for 25-45 fractions (--goals takes others)" in told


def test_predict_several_cases_in_openkbp_layout(case, weights, tmp_path, capsys):
    cases = tmp_path / "cases"
    for name in ("a", "b"):
        (cases / name).mkdir(parents=True)
        for path in case.iterdir():
            (cases / name / path.name).write_bytes(path.read_bytes())
    plan = json.loads((case / "prescription.json").read_text())
    (cases / "b" / "prescription.json").write_text(json.dumps({**plan, "site": "thorax", "fractions": 5}))
    out = tmp_path / "out"
    assert main(["predict", str(cases), "-o", str(out), "--weights", str(weights), "--device", "cpu",
                 "--format", "nifti"]) == 0  # fmt: skip
    assert (out / "a" / "dose.nii.gz").exists() and (out / "b" / "dose.nii.gz").exists()
    sets = [line.split("[")[1].split("]")[0] for line in capsys.readouterr().out.splitlines() if "Goals:" in line]
    assert sets == ["head-and-neck", "rtog-0813"], "each case is held against goals that suit it"
    assert "RTOG 0813" in (out / "b" / "goals.csv").read_text() and "0813" not in (out / "a" / "goals.csv").read_text()


def test_an_organ_outside_the_ct_passes_no_goal_on_the_terminal(weights, tmp_path, capsys):
    patient = ball_patient()
    gland = next(s for s in patient.structures if s.standard_name == "Parotid_L")
    write_patient_folder(patient.with_structures(s for s in patient.structures if s is not gland), tmp_path / "far")
    origin = tuple(value + 1000.0 for value in gland.mask.geometry.origin_mm)
    Volume(gland.mask.array, replace(gland.mask.geometry, origin_mm=origin)).write(tmp_path / "far" / "Parotid_L.nrrd")
    arguments = ["predict", str(tmp_path / "far"), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    assert main([*arguments, "--device", "cpu", "--goals", "head-and-neck"]) == 0
    told = capsys.readouterr()
    rows, rest = told.out.split("Not applicable:")
    assert "Parotid_L" not in rows and "Parotid_L" in rest and "Parotid right" in rows
    assert "wholly outside the CT" in told.err


def test_evaluate_scores_predictions_as_the_challenge_does(case, tmp_path):
    predictions = tmp_path / "predictions"
    ball_dose(shift_mm=4.0).write(predictions / "ball" / "dose.nrrd")
    out = tmp_path / "scores"
    assert main(["evaluate", str(case.parent), "--predictions", str(predictions), "-o", str(out)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    body = ball_patient().structures[0].mask.array > 0
    wanted = np.abs(ball_dose(4.0).array - ball_dose().array).sum(dtype=np.float64) / body.sum()
    assert summary["dose_score_gy"] == pytest.approx(wanted, abs=1e-4)
    rows = list(csv.DictReader(open(out / "scores.csv", newline="")))
    assert [row["patient"] for row in rows] == ["ball", "mean"]
    assert float(rows[0]["dose_score_gy"]) == pytest.approx(wanted, abs=1e-6)
    cord = ball_patient().structures[3].mask.array > 0
    mean = abs(ball_dose(4.0).array[cord].mean() - ball_dose().array[cord].mean())
    assert float(rows[0]["SpinalCord mean"]) == pytest.approx(mean, abs=1e-3)
    assert rows[0]["Larynx mean"] == ""


def test_evaluate_scores_the_other_cases_when_one_cannot_be(case, tmp_path, capsys):
    cases, predictions = tmp_path / "cases", tmp_path / "predictions"
    for name in ("broken", "centigray", "missing", "right"):
        (cases / name).mkdir(parents=True)
        for path in case.iterdir():
            (cases / name / path.name).write_bytes(path.read_bytes())
    (cases / "broken" / "dose.nrrd").write_bytes(b"NRRD0004\ntype: float\n")
    hundredfold = ball_dose()
    Volume(100.0 * hundredfold.array, hundredfold.geometry).write(predictions / "centigray" / "dose.nrrd")
    for name in ("broken", "right"):
        ball_dose(shift_mm=4.0).write(predictions / name / "dose.nrrd")
    arguments = ["evaluate", str(cases), "--predictions", str(predictions), "-o", str(tmp_path / "scores")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "broken: " in said and "looks like cGy" in said and "no prediction for missing" in said
    assert "3 of 4 cases could not be scored (broken, centigray, missing)" in said
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    assert summary["patients"] == 1 and summary["not_scored"] == ["broken", "centigray", "missing"]
    rows = list(csv.DictReader(open(tmp_path / "scores" / "scores.csv", newline="")))
    assert [row["patient"] for row in rows] == ["right", "mean"]
    (predictions / "right" / "dose.nrrd").unlink()
    assert main([*arguments[:-1], str(tmp_path / "none")]) == 2
    assert "No case in" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_evaluate_refuses_a_challenge_table_in_cgy(tmp_path, capsys):
    cases = tmp_path / "cases" / "pt_1"
    cases.mkdir(parents=True)
    (cases / "voxel_dimensions.csv").write_text("3.0\n3.0\n3.0\n")
    voxels = 128 * 128 * 64 + 128 * 64 + np.arange(40, 90)
    for name in ("PTV70", "possible_dose_mask"):
        (cases / f"{name}.csv").write_text(",data\n" + "".join(f"{voxel},\n" for voxel in voxels))
    table = ",data\n" + "".join(f"{voxel},{{dose}}\n" for voxel in voxels)
    (cases / "dose.csv").write_text(table.format(dose=70.0))
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    (predictions / "pt_1.csv").write_text(table.format(dose=7000.0))
    arguments = ["evaluate", str(cases), "--predictions", str(predictions), "-o", str(tmp_path / "scores")]
    assert main(arguments) == 2
    assert "pt_1.csv reaches 7000, which looks like cGy" in capsys.readouterr().err
    assert not (tmp_path / "scores").exists()
    (predictions / "pt_1.csv").write_text(table.format(dose=72.0))
    assert main(arguments) == 0
    written = (tmp_path / "scores" / "summary.json").read_text()
    assert json.loads(written)["dose_score_gy"] == pytest.approx(2.0) and "NaN" not in written


def test_evaluate_tells_what_is_odd_about_a_case(case, tmp_path, capsys):
    odd = tmp_path / "cases" / "ball"
    odd.mkdir(parents=True)
    for path in case.iterdir():
        (odd / path.name).write_bytes(path.read_bytes())
    Volume(np.zeros(AXIAL.shape, np.uint8), AXIAL).write(odd / "Larynx.nrrd")
    ball_dose().write(tmp_path / "predictions" / "ball" / "dose.nrrd")
    arguments = ["evaluate", str(odd.parent), "--predictions", str(tmp_path / "predictions")]
    assert main([*arguments, "-o", str(tmp_path / "scores")]) == 0
    assert "Warning: ball: Larynx has no voxels and was left out." in capsys.readouterr().err


def test_evaluate_predicts_when_no_predictions_are_given(case, weights, tmp_path):
    out = tmp_path / "scores"
    assert main(["evaluate", str(case.parent), "-o", str(out), "--weights", str(weights), "--device", "cpu"]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["weights"] == weights.name and summary["samples"] == 1 and summary["patients"] == 1


def test_a_perfect_prediction_scores_zero():
    patient = replace(ball_patient(), reference_dose=ball_dose())
    scores = score_patient(patient, ball_dose())
    assert scores.dose_score == 0.0 and scores.dvh_score == 0.0


def other_ct():
    """The ball's CT with another number in one voxel: another patient's."""
    ct = ball_patient().ct
    array = ct.array.copy()
    array[0, 0, 0] += 7
    return Volume(array, ct.geometry)


@pytest.mark.parametrize("bits", [16, 8])
def test_train_then_evaluate_then_release(case, tmp_path, capsys, bits):
    config = {
        "train": str(case.parent), "validation": str(case.parent), "output": str(tmp_path / "run"),
        "system_config": TINY, "steps": 4, "decay_steps": 2, "threads": 1, "device": "cpu", "weight_bits": bits,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert main(["train", str(path)]) == 0
    trained = tmp_path / "run" / "weights.safetensors"
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000
    assert main(["evaluate", str(case.parent), "-o", str(tmp_path / "scores"), "--weights", str(trained)]) == 0
    released = tmp_path / "release" / "ball.safetensors"
    summary = tmp_path / "scores" / "summary.json"
    assert main(["release", str(trained), "--summary", str(summary), "--data", "one ball", "-o", str(released)]) == 0
    assert read_weights(trained).bits == read_weights(released).bits == bits
    card = released.with_suffix(".md").read_text()
    assert "not for clinical decisions" in card and "one ball" in card and "dose score" in card
    assert "1 of whom it was trained on" in card and json.loads(summary.read_text())["patients_trained_on"] == 1
    assert "these scores don't hold for new ones" in capsys.readouterr().err
    new = tmp_path / "new" / "ball"
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose(), ct=other_ct()), new)
    assert main(["evaluate", str(new.parent), "-o", str(tmp_path / "fresh"), "--weights", str(trained)]) == 0
    assert json.loads((tmp_path / "fresh" / "summary.json").read_text())["patients_trained_on"] == 0
    assert "don't hold" not in capsys.readouterr().err
    other = tiny_weights(tmp_path / "other.safetensors")
    assert main(["release", str(other), "--summary", str(summary), "--data", "x", "-o", str(released)]) == 2
    assert "other weights" in capsys.readouterr().err


def test_releasing_calibrated_weights_again_keeps_their_calibration(case, tmp_path):
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    before = {"voxel_68": 68, "dvh_68": 67, "voxel_95": 95, "dvh_95": 94}
    header = replace(read_weights(weights).header, uncertainty={"dvh_68": 1.5}, validation={"coverage": before},
                     recommended={"samples": 2, "steps": 1})  # fmt: skip
    save_weights(read_weights(weights).state, header, weights)
    summary = {"weights_sha256": read_weights(weights).sha256, "samples": 2, "steps": 1, "dose_score_gy": 2.0,
               "coverage": {**before, "voxel_68": 99}}  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    out = tmp_path / "out.safetensors"
    assert main(["release", str(weights), "--summary", str(tmp_path / "summary.json"), "--data", "312 lung plans",
                 "-o", str(out)]) == 0  # fmt: skip
    released = read_weights(out).header
    assert released.uncertainty == header.uncertainty
    assert released.validation["coverage"] == before, "on patients left out of the calibration"


@pytest.mark.parametrize("other", [{"samples": 2}, {"steps": 3}])
def test_a_calibration_is_not_released_for_other_samples_or_steps(other, tmp_path, capsys):
    weights, out = tiny_weights(tmp_path / "tiny.safetensors"), tmp_path / "out.safetensors"
    before = read_weights(weights)
    recommended = {"samples": 4, "steps": 1}
    save_weights(before.state, replace(before.header, uncertainty={"dvh_68": 1.5}, recommended=recommended), weights)
    summary = {"weights_sha256": read_weights(weights).sha256, **recommended, **other, "dose_score_gy": 2.0}
    path = tmp_path / "summary.json"
    arguments = ["release", str(weights), "--summary", str(path), "--data", "x", "-o", str(out)]
    path.write_text(json.dumps(summary))
    text = refused(arguments, capsys)
    assert "calibrated for samples: 4, steps: 1" in text and "without --samples and --steps" in text
    assert not out.exists()
    path.write_text(json.dumps({**summary, "uncertainty": {"dvh_68": 1.2}}))
    assert main(arguments) == 0 and read_weights(out).header.uncertainty == {"dvh_68": 1.2}


def test_a_card_says_of_openkbp_what_was_trained_on_openkbp_alone():
    header = WeightsHeader("default", {"channels": ("ct",)}, {"data": "312 lung plans"})
    assert "head-and-neck" not in model_card(header) and "OpenKBP's synthetic" not in model_card(header)
    ours = model_card(replace(header, training={"data": "196 patients (openkbp/train)"}))
    assert "nine coplanar" in ours and "OpenKBP's synthetic" in ours


@pytest.mark.parametrize(("system", "told"), [("default", True), ("diffkt3d", False), ("baseline", False)])
def test_a_card_says_which_systems_do_not_know_the_voxel_size(system, told):
    text = model_card(WeightsHeader(system, {"channels": ("ct",)}))
    assert ("isn't told the size of the voxels (3.2 to 5.5 mm in the plane, 1.4 to 3.5 mm" not in text) == told


def refused(arguments: list[str], capsys) -> str:
    """Run a command that must fail by its input; its one sentence."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    told = [line for line in lines if line.startswith("dose-predict: ")]
    assert len(told) == 1, lines
    return told[0]


def test_bad_input_gets_one_sentence_and_exit_code_2(case, weights, tmp_path, capsys):
    out = ["-o", str(tmp_path / "out")]
    assert "nowhere" in refused(["predict", str(tmp_path / "nowhere"), *out], capsys)
    text = refused(["predict", str(case), *out, "--weights", str(tmp_path / "no.safetensors")], capsys)
    assert "no.safetensors" in text
    assert "samples" in refused(["predict", str(case), *out, "--samples", "0"], capsys)
    assert "tea" in refused(["predict", str(case), *out, "--goals", "tea"], capsys)
    assert "abacus" in refused(["predict", str(case), *out, "--device", "abacus", "--weights", str(weights)], capsys)
    assert "witchcraft" in refused(["predict", str(case), *out, "--system", "witchcraft"], capsys)
    (tmp_path / "file").write_text("")
    assert "Cannot write" in refused(["predict", str(case), "-o", str(tmp_path / "file" / "out")], capsys)
    assert "no folder" in refused(["evaluate", str(case), *out, "--predictions", str(tmp_path / "none")], capsys)
    assert not (tmp_path / "out").exists(), "not even the folder"


@pytest.mark.parametrize(("command", "apart"), [
    (["evaluate", "--predictions", "there"], [
        ["--weights", "x"], ["--system", "diffkt3d"], ["--samples", "2"], ["--steps", "2"], ["--seed", "1"],
        ["--calibrate"], ["--calibration-weights", "x"], ["--device", "cpu"],
    ]),
    (["scorecard", "--predictions", "there"], [["--dose", "x"]]),
    (["predict", "--system", "diffkt3d", "--target", "ct"], [
        ["--calibrate"], ["--calibration-weights", "x"], ["--report"], ["--format", "dicom"], ["--isodose-contours"],
        ["--goals", "quantec"],
    ]),
])  # fmt: skip
def test_options_that_would_have_no_effect_are_refused(command, apart, case, tmp_path, capsys):
    arguments = [*command, str(case), "-o", str(tmp_path / "out")]
    for option in apart:
        text = refused([*arguments, *option], capsys)
        assert f"does not go together with {option[0]}; leave out" in text and command[-2] in text
    text = refused([*arguments, *(word for option in apart for word in option)], capsys)
    assert all(f" {option[0]}" in text for option in apart)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [[], ["--target", "ct"]])
def test_weights_of_another_system_than_is_asked_for_are_refused(more, case, weights, tmp_path, capsys):
    """Otherwise the figures of one system would be published as another's."""
    asked = ["--system", "magdiff_adc", "--weights", str(weights), "-o", str(tmp_path / "out")]
    text = refused(["predict", str(case), *asked, *more], capsys)
    assert "'default'" in text and "'magdiff_adc'" in text and "--system" in text
    assert not more or not (tmp_path / "out").exists()


def test_defaults_that_options_are_told_by_are_the_parsers():
    told = parser().parse_args(["evaluate", "DATA", "-o", "OUT"])
    check_apart("--predictions", MODEL_DEFAULTS, told)
    check_apart("--target ct", DOSE_DEFAULTS, parser().parse_args(["predict", "CASE", "-o", "OUT"]))


def test_devices_that_are_none_are_refused(case, weights, tmp_path, capsys):
    for device in ("cpu:x", "cpu:0", "cuda:", "mps:1", "cuda:one"):
        arguments = ["predict", str(case), "-o", str(tmp_path / "out"), "--weights", str(weights), "--device", device]
        assert device in refused(arguments, capsys)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_python_that_is_not_there_is_named(command, case, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DOSE_PREDICTION_PYTHON", "/nonexistent/python")
    data = case if command == "predict" else case.parent
    text = refused([command, str(data), "-o", str(tmp_path / "out"), "--weights", str(weights)], capsys)
    assert "/nonexistent/python" in text and not (tmp_path / "out").exists()


def test_one_patient_calibrates_no_uncertainty_but_is_scored(case, weights, tmp_path, capsys):
    arguments = ["evaluate", str(case.parent), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    assert main([*arguments, "--samples", "2", "--device", "cpu"]) == 0
    assert "One patient alone" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["patients"] == 1 and "coverage" not in summary and "uncertainty" not in summary


def test_what_an_earlier_prediction_left_goes(weights, tmp_path, capsys):
    case, out = tmp_path / "ball", tmp_path / "out"
    write_patient_folder(ball_patient(), case)  # without a clinical dose there is no gamma to wait for
    arguments = ["predict", str(case), "-o", str(out), "--weights", str(weights), "--device", "cpu"]
    assert main([*arguments, "--samples", "2", "--report", "--format", "nifti"]) == 0
    first = sorted(path.name for path in out.iterdir())
    assert {"dose.nii.gz", "dose_std.nii.gz", "report.html"} <= set(first)
    (out / "notes.txt").write_text("mine")
    assert main([*arguments, "--samples", "1"]) == 0
    found = sorted(path.name for path in out.iterdir())
    assert found == ["dose.nrrd", "dvh.csv", "goals.csv", "notes.txt", "prediction.json"]
    views = json.loads((out / "prediction.json").read_text())["views"]
    assert views == ["as it lies"]


def test_a_dose_that_no_prediction_left_is_not_overwritten(case, weights, tmp_path, capsys):
    ball_dose().write(tmp_path / "out" / "dose.nrrd")
    before = (tmp_path / "out" / "dose.nrrd").read_bytes()
    text = refused(["predict", str(case), "-o", str(tmp_path / "out"), "--weights", str(weights)], capsys)
    assert "was left by no prediction" in text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dose.nrrd"]
    assert (tmp_path / "out" / "dose.nrrd").read_bytes() == before


def test_names_that_the_terminal_cannot_write_do_not_end_the_work(case, weights, tmp_path):
    for name in ("A Łukasz", "B 鼻咽", "C"):
        shutil.copytree(case, tmp_path / "cases" / name)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "DosePredictionLib", "predict", str(tmp_path / "cases"), "-o", str(out),
               "--weights", str(weights), "--device", "cpu"]  # fmt: skip
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": root}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["A Łukasz", "B 鼻咽", "C"]
    assert b"\\u0141ukasz" in done.stdout


def test_a_summary_of_calibrated_doses_is_none_of_the_weights(weights, tmp_path, capsys):
    summary = {"weights_sha256": read_weights(weights).sha256, "samples": 1, "steps": 1, "dose_score_gy": 2.0,
               "dose_calibration": "adc.safetensors", "dose_calibration_sha256": "0"}  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    out = tmp_path / "out.safetensors"
    arguments = ["release", str(weights), "--summary", str(tmp_path / "summary.json"), "--data", "x", "-o", str(out)]
    assert "without --calibrate" in refused(arguments, capsys) and not out.exists()


def test_a_model_card_never_takes_the_place_of_the_weights(weights, tmp_path, capsys):
    summary = {"weights_sha256": read_weights(weights).sha256, "samples": 1, "steps": 1, "dose_score_gy": 2.0}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    arguments = ["release", str(weights), "--summary", str(tmp_path / "summary.json"), "--data", "x", "-o"]
    for name in ("out.md", "out"):
        assert ".safetensors" in refused([*arguments, str(tmp_path / name)], capsys)
        assert not (tmp_path / name).exists()


def test_a_truncated_ct_is_named(case, tmp_path, capsys):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in case.iterdir():
        content = path.read_bytes()
        (broken / path.name).write_bytes(content[: len(content) // 2] if path.name == "ct.nrrd" else content)
    assert "ct.nrrd" in refused(["predict", str(broken), "-o", str(tmp_path / "out")], capsys)


def test_help_runs_as_a_module_and_says_research_use():
    shown = subprocess.run(
        [sys.executable, "-m", "DosePredictionLib", "--help"], capture_output=True, text=True, check=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert "Research use, not for clinical decisions" in " ".join(shown.stdout.split())
    for command in ("predict", "evaluate", "train", "release"):
        assert command in shown.stdout


def test_help_writes_percents_as_people_do(capsys):
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.__name__.rpartition(".")[2].replace("_", "-"), "--help"])
        assert "%%" not in capsys.readouterr().out


def test_the_external_stands_in_for_the_dose_region():
    patient = replace(ball_patient(), reference_dose=ball_dose())
    assert not patient.with_role(StructureRole.DOSE_REGION)
    assert score_patient(patient, ball_dose(1.0)).dose_score > 0


@pytest.mark.parametrize(
    ("command", "said"), [("scorecard", "or RTDOSE"), ("predict", "cuda:1"), ("train", "with a checkpoint and weights")]
)
def test_help_tells_what_is_taken_and_what_is_left(command, said, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert said in " ".join(capsys.readouterr().out.split())
