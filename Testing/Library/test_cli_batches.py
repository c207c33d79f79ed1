"""Several cases in one command: one that cannot be done costs the others nothing."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from any_to_any_run import SMALL
from phantom import ball_dose, ball_patient
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.inference.weights import WeightsHeader, save_weights
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem

pytestmark = pytest.mark.usefixtures("worker_thread")


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    """Two whole cases, and one between them without a target."""
    folder = tmp_path_factory.mktemp("cases")
    patient = ball_patient()
    for name in ("first", "last"):
        write_patient_folder(patient, folder / name)
    organs = [s for s in patient.structures if s.role is not StructureRole.TARGET]
    write_patient_folder(patient.with_structures(organs), folder / "halfway")
    return folder


def modality_weights(path: Path) -> Path:
    """Untrained weights of a small DiffKT3D."""
    torch.manual_seed(0)
    system = DiffKT3DSystem(**SMALL)
    header = WeightsHeader("diffkt3d", asdict(system), {"stage": "any-to-any"}, recommended={"samples": 1, "steps": 1})
    save_weights(system.build_network().state_dict(), header, path)
    return path


@pytest.mark.parametrize("target", ["dose", "body"])
def test_predict_goes_on_after_a_case_without_a_target(target, cases, tmp_path, capsys):
    weights = (tiny_weights if target == "dose" else modality_weights)(tmp_path / "weights.safetensors")
    arguments = ["predict", str(cases), "-o", str(tmp_path / "out"), "--weights", str(weights), "--device", "cpu"]
    assert main([*arguments, "--target", target]) == 2
    assert sorted(path.parent.name for path in (tmp_path / "out").glob(f"*/{target}.nrrd")) == ["first", "last"]
    said = capsys.readouterr().err
    assert "dose-predict: halfway: halfway has no target" in said and "1 of 3 cases could not be" in said


def test_what_no_case_can_be_sampled_with_is_told_once(cases, tmp_path, capsys):
    arguments = ["predict", str(cases), "-o", str(tmp_path / "out"), "--target", "ct"]
    dose_alone = tiny_weights(tmp_path / "dose.safetensors")
    assert main([*arguments, "--weights", str(dose_alone)]) == 2
    assert capsys.readouterr().err.count("nothing but doses") == 1
    weights = modality_weights(tmp_path / "weights.safetensors")
    assert main([*arguments, "--weights", str(weights), "--device", "abacus"]) == 2
    assert capsys.readouterr().err.count("abacus") == 1 and not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_what_no_case_can_be_predicted_with_is_told_once(command, tmp_path, capsys):
    for name in ("first", "last"):
        write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "cases" / name)
    arguments = [command, str(tmp_path / "cases"), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--weights", str(tiny_weights(tmp_path / "tiny.safetensors")), "--device", "abacus"]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert told.startswith("dose-predict: ") and "abacus" in told and not (tmp_path / "out").exists()


def test_scorecard_scores_the_other_cases_when_one_prediction_is_missing(cases, tmp_path, capsys):
    for name in ("first", "last"):
        ball_dose(2.0).write(tmp_path / "doses" / name / "dose.nrrd")
    arguments = ["scorecard", str(cases), "--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / "cards.csv")]
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert "2 patients: " in told.out
    assert "dose-predict: halfway: " in told.err and "1 of 3 cases could not be scored" in told.err
    rows = list(csv.DictReader(open(tmp_path / "cards.csv", encoding="utf-8")))
    assert [row["patient"] for row in rows] == ["first", "last", "mean"]
    (tmp_path / "empty").mkdir()
    assert main([*arguments[:3], str(tmp_path / "empty"), "-o", str(tmp_path / "none.csv")]) == 2
    assert "No case in" in capsys.readouterr().err and not (tmp_path / "none.csv").exists()


def test_evaluate_asks_for_what_scores_need_before_it_predicts(tmp_path, capsys):
    patient = replace(ball_patient(), reference_dose=ball_dose())
    bare = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.EXTERNAL)
    write_patient_folder(bare, tmp_path / "cases" / "ball")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    command = ["evaluate", str(tmp_path / "cases"), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    assert main([*command, "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert "ball has neither a dose region nor an external structure" in told and "sampling" not in told
