"""A case whose plan was changed after its dose was predicted: commands say so, and warn of the plan as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import ball_dose, ball_patient
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.review.plan_digest import plan_digest

pytestmark = pytest.mark.usefixtures("worker_thread")

TOLD = "out/prediction.json is of another plan of case than the case now has"


@pytest.fixture
def predicted(tmp_path) -> Path:
    """A dose predicted of tmp_path/data/case."""
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "data" / "case")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    command = ["predict", str(tmp_path / "data" / "case"), "-o", str(tmp_path / "out"), "--weights", str(weights)]
    assert main([*command, "--device", "cpu"]) == 0
    return tmp_path / "out" / "dose.nrrd"


def arguments_of(command: str, dose: Path) -> list[str]:
    case, out = dose.parents[1] / "data" / "case", dose.parents[1] / "result"
    return {
        "compare": ["compare", str(case), "--dose", str(dose), "-o", str(out), "--gamma-points", "0"],
        "report": ["report", str(case), "--dose", str(dose), "-o", f"{out}/report.html", "--gamma-points", "0"],
        "scorecard": ["scorecard", str(case), "--dose", str(dose)],
    }[command]


@pytest.mark.parametrize("command", ["compare", "report", "scorecard"])
def test_a_prediction_of_the_plan_before_its_change_is_told(command, predicted, tmp_path, capsys):
    arguments = arguments_of(command, predicted)
    assert main(arguments) == 0 and "another plan" not in capsys.readouterr().err
    plan_file = tmp_path / "data" / "case" / "prescription.json"
    plan = json.loads(plan_file.read_text())
    plan_file.write_text(json.dumps({**plan, "site": "lung", "fractions": 5}))
    assert main(arguments) == 0
    assert capsys.readouterr().err.count(TOLD) == 1
    if command != "scorecard":
        assert TOLD in (tmp_path / "result" / f"{command}.html").read_text(encoding="utf-8")


def test_warnings_are_of_the_plan_as_it_is_now(predicted, tmp_path, capsys):
    made = json.loads(predicted.with_name("prediction.json").read_text())
    made["trained_on"] = "196 patients (openkbp/train)"
    stale = {"id": "site-unseen", "text": "The weights have not seen the site knee.", "explanation": "", "evidence": {}}
    made["review"], made["warnings"] = [stale], [stale["text"]]
    predicted.with_name("prediction.json").write_text(json.dumps(made))
    page = tmp_path / "result" / "report.html"
    assert main(arguments_of("report", predicted)) == 0
    assert page.read_text(encoding="utf-8").count("the site knee") == 1, "of this very plan, what was found then stands"
    plan_file = tmp_path / "data" / "case" / "prescription.json"
    plan_file.write_text(json.dumps({**json.loads(plan_file.read_text()), "site": "lung"}))
    assert main(arguments_of("report", predicted)) == 0
    written = page.read_text(encoding="utf-8")
    assert "the site knee" not in written and "have not seen the site lung" in written


def test_organs_are_missed_by_the_weights_channels_after_a_change_too(predicted, tmp_path, capsys):
    made = json.loads(predicted.with_name("prediction.json").read_text())
    assert "Missing organs that the weights look for: Brainstem, Esophagus" in " ".join(made["warnings"])
    plan_file = tmp_path / "data" / "case" / "prescription.json"
    plan = json.loads(plan_file.read_text())
    plan_file.write_text(json.dumps({**plan, "structures": {"Cord": {"standard_name": "Brainstem"}}}))
    assert main(arguments_of("report", predicted)) == 0
    page = (tmp_path / "result" / "report.html").read_text(encoding="utf-8")
    assert "Missing organs that the weights look for: SpinalCord, Esophagus" in page
    assert "look for: Brainstem" not in page


def moved_parotid(patient: Patient) -> Patient:
    *others, gland = patient.structures
    return patient.with_structures(
        [*others, replace(gland, mask=Volume(np.roll(gland.mask.array, 1, 0), gland.mask.geometry))]
    )


@pytest.mark.parametrize(
    "change",
    [
        moved_parotid,
        lambda patient: replace(patient, beams=BeamArrangement.coplanar((0, 40))),
        lambda patient: replace(patient, technique="VMAT"),
        lambda patient: replace(patient, fractions=30),
        lambda patient: patient.with_structures(replace(s, standard_name=None) for s in patient.structures),
        lambda patient: patient.with_structures(
            replace(s, role=StructureRole.OTHER) if s.name == "Cord" else s for s in patient.structures
        ),
        lambda patient: patient.with_structures(
            replace(s, prescription_gy=66.0) if s.name == "PTV70" else s for s in patient.structures
        ),
    ],
)
def test_what_a_review_reads_makes_another_plan(change: Callable[[Patient], Patient]) -> None:
    assert plan_digest(change(ball_patient())) != plan_digest(ball_patient())


def test_names_doses_and_how_a_mask_is_kept_make_no_other_plan() -> None:
    patient = ball_patient()
    cut = (replace(s, mask=s.mask.cropped_to_nonzero(), color=(1.0, 0.0, 0.0)) for s in patient.structures)
    kept = replace(patient.with_structures(cut), identifier="another name", reference_dose=ball_dose())
    assert plan_digest(kept) == plan_digest(patient)


def test_contours_on_a_finer_grid_are_the_same_plan_as_their_voxels_on_the_ct() -> None:
    """So are DICOM contours, which a scene shows with the CT's voxels."""
    patient = ball_patient()
    cord = patient.structures[3]
    thrice = np.repeat(np.repeat(np.repeat(cord.mask.array, 3, 0), 3, 1), 3, 2)
    finer = replace(cord, mask=Volume(thrice, cord.mask.geometry.divided(3)).cropped_to_nonzero())
    assert finer.mask.geometry.spacing_mm != cord.mask.geometry.spacing_mm
    assert plan_digest(patient.with_structures(finer if s is cord else s for s in patient.structures)) == plan_digest(
        patient
    )
