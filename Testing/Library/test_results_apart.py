"""What a model made is never taken for a patient's own CT or dose, and never overwrites them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_phantom import Study
from phantom import ball_dose, ball_patient
from test_cli import refused
from test_cli_batches import modality_weights
from test_dicom_case import write_study
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import OAR_CHANNELS
from DosePredictionLib.inference.modality import TARGETS, VALUES
from DosePredictionLib.patient.cases import named_cases
from DosePredictionLib.patient.image_file import read_scalar_volume
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem

pytestmark = pytest.mark.usefixtures("worker_thread")


@pytest.fixture
def case(tmp_path) -> Path:
    write_patient_folder(ball_patient(), tmp_path / "data" / "case")
    return tmp_path / "data" / "case"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("target", ["dose", "ct"])
def test_nothing_is_written_into_another_patients_folder(target, case, tmp_path, capsys):
    other = tmp_path / "other"
    write_patient_folder(replace(ball_patient(), reference_dose=None), other)
    before = contents(other)
    weights = (tiny_weights if target == "dose" else modality_weights)(tmp_path / "weights.safetensors")
    command = ["predict", str(case), "-o", str(other), "--target", target, "--weights", str(weights)]
    assert "other holds a patient, whose own dose the results would be taken for" in refused(command, capsys)
    assert contents(other) == before


@pytest.mark.parametrize("there", ["ct.nrrd", "ct.json"])
def test_an_image_that_was_not_sampled_is_not_overwritten(there, case, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "prediction.json").write_text('{"weights": "any.safetensors"}')  # even beside a prediction
    (out / there).write_text("{}")
    before = contents(out)
    command = ["predict", str(case), "-o", str(out), "--target", "ct"]
    assert f"{there} was not left by predict --target" in refused(
        [*command, "--weights", str(modality_weights(tmp_path / "weights.safetensors"))], capsys
    )
    assert contents(out) == before


def test_a_sampled_ct_says_how_it_was_made_and_is_known_by_that(case, tmp_path, capsys):
    out, weights = tmp_path / "out", modality_weights(tmp_path / "any.safetensors")
    command = ["predict", str(case), "-o", str(out), "--target", "ct", "--weights", str(weights), "--device", "cpu"]
    assert main([*command, "--seed", "3"]) == 0
    made = json.loads((out / "ct.json").read_text())
    assert (made["modality"], made["patient"], made["system"], made["weights"]) == (
        "ct", "case", "diffkt3d", "any.safetensors",
    )  # fmt: skip
    assert (made["samples"], made["steps"], made["seed"]) == (1, 1, 3) and len(made["weights_sha256"]) == 64
    assert "not for clinical decisions" in made["intended_use"] and {"torch", "numpy"} <= made["versions"].keys()
    # Another one takes its place, and a dose may come to lie beside it.
    assert main(command) == 0 and json.loads((out / "ct.json").read_text())["seed"] == 0
    dose_weights = tiny_weights(tmp_path / "dose.safetensors")
    assert main(["predict", str(case), "-o", str(out), "--weights", str(dose_weights), "--device", "cpu"]) == 0
    # In a case's folder it is told from the planning CT.
    assert not any("sampled" in warning for warning in read_patient(case).warnings)
    for name in ("ct.nrrd", "ct.json"):
        (out / name).replace(case / name)
    assert any("ct.nrrd was sampled by a model" in warning for warning in read_patient(case).warnings)


def test_the_labels_of_sampled_organs_are_named_beside_them(case, tmp_path, monkeypatch):
    def right_parotid_alone(system, network, inputs, target, steps, seed):
        values = np.zeros((len(OAR_CHANNELS), *inputs.geometry.shape), np.float32)
        values[OAR_CHANNELS.index("Parotid_R")] = 1.0
        return values

    monkeypatch.setattr(DiffKT3DSystem, "sample_modality", right_parotid_alone)
    weights = modality_weights(tmp_path / "any.safetensors")
    command = ["predict", str(case), "-o", str(tmp_path), "--target", "oar", "--weights", str(weights)]
    assert main([*command, "--device", "cpu"]) == 0
    (label,) = set(np.unique(read_scalar_volume(tmp_path / "oar.nrrd").array)) - {0}
    values = json.loads((tmp_path / "oar.json").read_text())["values"]
    assert set(VALUES) == set(TARGETS)  # of every modality it is told
    assert f"{label:g} Parotid_R" in values.split(", ") and values.startswith("0 no organ, ")


@pytest.mark.parametrize("command", ["compare", "scorecard", "evaluate"])
def test_a_predicted_dose_in_a_case_is_not_its_reference(command, case, tmp_path, capsys):
    ball_dose().write(case / "dose.nrrd")
    ball_dose(2.0).write(tmp_path / "doses" / "case" / "dose.nrrd")
    assert read_patient(case).reference_dose is not None
    (case / "prediction.json").write_text(json.dumps({"patient": "another", "weights": "default.safetensors"}))
    patient = read_patient(case)
    assert patient.reference_dose is None
    assert any("dose.nrrd was predicted, as prediction.json beside it says" in one for one in patient.warnings)
    dose = str(tmp_path / "doses" / "case" / "dose.nrrd")
    arguments = {
        "compare": ["--dose", dose, "-o", str(tmp_path / "out"), "--gamma-points", "0"],
        "scorecard": ["--dose", dose, "-o", str(tmp_path / "card.csv")],
        "evaluate": ["--predictions", str(tmp_path / "doses"), "-o", str(tmp_path / "out")],
    }[command]
    code = main([command, str(case), *arguments])
    said = capsys.readouterr()
    assert "Reference" not in said.out and "dose.nrrd was predicted" in said.err
    assert code == (0 if command == "scorecard" else 2)


@pytest.mark.parametrize("other_programs", ["[]", "no JSON", '{"dose": "mine"}'])
@pytest.mark.parametrize("patients_too", [True, False])
def test_another_programs_file_makes_no_prediction_of_a_clinical_dose(
    other_programs, patients_too, case, tmp_path, capsys
):
    other = tmp_path / "other"
    other.mkdir()
    if patients_too:
        write_patient_folder(ball_patient(), other)
    ball_dose().write(other / "dose.nrrd")
    (other / "prediction.json").write_text(other_programs)
    assert not patients_too or read_patient(other).reference_dose is not None
    before = contents(other)
    command = ["predict", str(case), "-o", str(other), "--weights", str(tiny_weights(tmp_path / "tiny.safetensors"))]
    assert ("holds a patient" if patients_too else "was left by no prediction") in refused(command, capsys)
    assert contents(other) == before


def test_a_sampled_ct_costs_a_dicom_case_nothing(tmp_path, capsys):
    study = tmp_path / "study"
    write_study(study, Study())
    weights = modality_weights(tmp_path / "any.safetensors")
    command = ["predict", str(study), "-o", str(study), "--target", "ct", "--weights", str(weights)]
    assert "study holds a DICOM case, whose CT it would be taken for" in refused(command, capsys)
    of_dicom = read_patient(study)
    of_dicom.ct.write(study / "ct.nrrd")
    (study / "ct.json").write_text('{"modality": "ct"}')
    again = read_patient(study)
    assert [s.name for s in again.structures] == [s.name for s in of_dicom.structures] != []
    assert again.geometry == of_dicom.geometry


@pytest.mark.parametrize(
    ("cases", "output"),
    [("data", "data"), ("data", "data/sampled"), ("data/case", "data"), ("packed", "packed"),
     ("packed/pt_1.npz", "packed"), ("packed/pt_1.npz", "packed/pt_1")],
)  # fmt: skip
def test_a_sampled_ct_makes_no_new_case_of_a_data_set(cases, output, case, tmp_path, capsys):
    """After `predict DATASET --target ct -o DATASET` there would be one case more, or one alone."""
    (tmp_path / "packed").mkdir()
    np.savez(tmp_path / "packed" / "pt_1.npz", structures=np.zeros(1, np.uint16), spacing_mm=np.ones(3))
    found = [one.identifier for folder in ("data", "packed") for one in named_cases([tmp_path / folder])]
    assert found == ["case", "pt_1"]
    weights = modality_weights(tmp_path / "any.safetensors")
    command = ["predict", str(tmp_path / cases), "--target", "ct", "--weights", str(weights), "--device", "cpu"]
    told = refused([*command, "-o", str(tmp_path / output)], capsys)
    assert "would be taken for a case among those that are read here; give another folder" in told
    again = [one.identifier for folder in ("data", "packed") for one in named_cases([tmp_path / folder])]
    assert again == found


def test_a_sampled_ct_may_lie_below_its_case(case, tmp_path, capsys):
    weights = modality_weights(tmp_path / "any.safetensors")
    command = ["predict", str(case), "--target", "ct", "--weights", str(weights), "--device", "cpu"]
    assert main([*command, "-o", str(case / "sampled")]) == 0
    assert [one.path for one in named_cases([case.parent])] == [case]
