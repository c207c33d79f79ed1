"""Several cases at once: no one's results are taken for another's, or for the clinical dose."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import ball_dose, ball_patient
from test_cli import refused
from test_dicom_case import write_study
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.provenance_file import another_patients
from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.dosimetry.patient_scores import score_patient
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.cases import named_cases
from DosePredictionLib.patient.identifier import folder_name, joined_name
from DosePredictionLib.patient.patient_digest import ct_digest
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.training import case_cache
from DosePredictionLib.training.case_cache import cached_cases

pytestmark = pytest.mark.usefixtures("worker_thread")


def write_balls(folder: Path, *names: str, shift_mm: float = 0.0, more_hu: int = 0) -> Path:
    """Patients; those with another CT number are others."""
    ball = ball_patient()
    ct = Volume(np.where(ball.ct.array > 0, ball.ct.array + more_hu, ball.ct.array), ball.geometry)
    for name in names:
        write_patient_folder(replace(ball, ct=ct, reference_dose=ball_dose(shift_mm)), folder / name)
    return folder


def test_cases_whose_folders_share_a_name_are_told_apart(tmp_path):
    from dicom_phantom import Study

    for name in ("patient1", "patient2"):
        write_study(tmp_path / name / "DICOM", Study(patient_id=name))
    write_study(tmp_path / "patient3", Study(patient_id="patient3"))
    cases = named_cases([tmp_path])
    assert [case.identifier for case in cases] == ["patient1_DICOM", "patient2_DICOM", "patient3"]
    assert [case.read().identifier for case in cases] == ["patient1_DICOM", "patient2_DICOM", "patient3"]
    assert [case.identifier for case in named_cases([tmp_path / "patient1"])] == ["patient1"]


def test_cases_of_one_name_on_two_drives_are_told_apart(tmp_path, monkeypatch):
    import ntpath

    for drive in ("C", "D"):
        write_balls(tmp_path / drive, "ball")

    def common(paths):  # as on Windows: the first folder stands in for the drive
        return ntpath.commonpath([f"{Path(p).relative_to(tmp_path).parts[0]}:\\x" for p in paths])

    monkeypatch.setattr("os.path.commonpath", common)
    names = [case.identifier for case in named_cases([tmp_path / "C" / "ball", tmp_path / "D" / "ball"])]
    assert [name.endswith(end) for name, end in zip(names, ("C_ball", "D_ball"), strict=True)] == [True, True]
    assert not set("".join(names)) & set("/\\:")


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
def test_folders_that_differ_in_a_colon_or_backslash_have_names_of_their_own(tmp_path):
    for folder in ("a:b", "a_b", "a\\b"):
        write_balls(tmp_path / folder, "x")
    names = [case.identifier for case in named_cases(tmp_path.iterdir())]
    assert sorted(names) == ["a:b_x", "a\\b_x", "a_b_x"]


def test_cases_on_network_shares_and_at_a_drives_root_have_names_for_files():
    assert joined_name(PureWindowsPath(r"\\srv\a\p1\DICOM")) == "srv_a_p1_DICOM"
    assert joined_name(PureWindowsPath(r"D:\p1\DICOM")) == "D_p1_DICOM"
    roots = {r"D:\\": "D", "D:": "D", r"\\srv\lung_2024": "lung_2024", r"D:\p1": "p1", r"\\srv\a\p1": "p1"}
    assert {path: folder_name(PureWindowsPath(path)) for path in roots} == roots


def test_names_on_the_disk_that_are_no_utf8_become_names_that_tables_can_hold(tmp_path):
    for folder in ("one", "two"):
        write_balls(tmp_path / folder, os.fsdecode("Grün".encode("latin-1")))
    write_balls(tmp_path, "Grün")
    assert sorted(case.identifier for case in named_cases([tmp_path / "one"])) == ["Grün"]
    cases = named_cases([tmp_path / "one", tmp_path / "two", tmp_path / "Grün"])
    assert [case.identifier for case in cases] == ["one_Grün", "two_Grün", "Grün"]


def test_a_folder_that_may_not_be_read_is_no_case(tmp_path, monkeypatch, capsys):
    write_balls(tmp_path, "ball")
    forbidden = tmp_path / "lost+found"
    forbidden.mkdir()
    is_file, scandir = Path.is_file, os.scandir

    def checked(path):
        if forbidden in Path(path).parents or Path(path) == forbidden:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", lambda self: (checked(self / "x"), is_file(self))[1])
    monkeypatch.setattr("os.scandir", lambda path: (checked(path), scandir(path))[1])
    assert [case.identifier for case in named_cases([tmp_path])] == ["ball"]
    assert "may not be read" in refused(["predict", str(forbidden), "-o", str(tmp_path / "out")], capsys)


def test_each_case_counts_once_and_names_that_stay_the_same_are_refused(tmp_path):
    a = write_balls(tmp_path / "a", "one") / "one"
    assert [case.identifier for case in named_cases([a, tmp_path / "a", a])] == ["one"]
    for folder in ("b/c_d", "b_c/d"):
        write_balls(tmp_path / folder, "x")
    with pytest.raises(InputError, match="would both be called b_c_d_x"):
        named_cases([tmp_path / "b/c_d/x", tmp_path / "b_c/d/x"])


def test_doses_of_cases_that_share_a_name_are_each_known_by_its_ct(tmp_path, capsys):
    for site, more_hu in (("north", 0), ("south", 1)):
        write_balls(tmp_path / site, "1", more_hu=more_hu)
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    given = [str(tmp_path / site / "1") for site in ("north", "south")]
    assert main(["predict", *given, "-o", str(tmp_path / "out"), "--weights", str(weights), "--device", "cpu"]) == 0
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/dose.nrrd")) == ["north_1", "south_1"]
    plan = tmp_path / "north" / "1" / "prescription.json"
    for prescribed, made_for, told in ((70, "north", 0), (66, "north", 0), (70, "south", 1)):
        plan.write_text(json.dumps({**json.loads(plan.read_text()), "prescriptions_gy": {"PTV70": prescribed}}))
        capsys.readouterr()
        dose = tmp_path / "out" / f"{made_for}_1" / "dose.nrrd"
        assert main(["scorecard", given[0], "--dose", str(dose)]) == 0
        said = capsys.readouterr().err
        about_south = "south_1/prediction.json is about south_1, whose CT is not that of the case 1;"
        assert said.count(about_south) == said.count("prediction.json is about") == told


def sums(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("given", ["data/a", "data"])
def test_results_never_go_into_a_case_of_image_files(tmp_path, capsys, given):
    write_balls(tmp_path / "data", "a", "b")
    before = sums(tmp_path)
    weights = tiny_weights(tmp_path.parent / f"{tmp_path.name}.safetensors")
    told = refused(["predict", str(tmp_path / given), "-o", str(tmp_path / given), "--weights", str(weights)], capsys)
    assert "is the folder of a case itself" in told and "-o" in told
    assert sums(tmp_path) == before


def test_a_prediction_beside_dicom_files_changes_nothing(tmp_path):
    from dicom_phantom import Study

    write_study(tmp_path / "case", Study())
    (tmp_path / "case" / "prescription.json").write_text('{"fractions": 30}')
    for name in ("dose", "dose_std", "dose_uncalibrated"):
        ball_dose().write(tmp_path / "case" / f"{name}.nrrd")
    patient = read_patient(tmp_path / "case")
    assert patient.fractions == 30 and patient.reference_dose is not None
    assert float(patient.reference_dose.array.max()) < 67.0, "the RTDOSE, not the file beside it"


def test_a_grid_that_openkbp_does_not_know_is_refused_before_anything_is_written(tmp_path, capsys):
    write_balls(tmp_path, "a")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    out = tmp_path / "out"
    told = refused(
        ["predict", str(tmp_path / "a"), "-o", str(out), "--weights", str(weights), "--format", "openkbp"], capsys
    )
    assert "OpenKBP layout" in told and not out.exists()


@pytest.mark.parametrize("command", ["compare", "report", "scorecard", "evaluate", "figures"])
def test_every_command_refuses_a_clinical_dose_in_cgy(tmp_path, capsys, command):
    case = write_balls(tmp_path / "data", "a") / "a"
    clinical = ball_dose()
    clinical.write(tmp_path / "good.nrrd")
    Volume(clinical.array * 100.0, clinical.geometry).write(case / "dose.nrrd")
    ball_dose(2.0).write(tmp_path / "predicted" / "a" / "dose.nrrd")
    out = tmp_path / "out"
    told = refused(
        {
            "compare": ["compare", str(case), "--dose", str(tmp_path / "good.nrrd"), "-o", str(out)],
            "report": ["report", str(case), "--dose", str(tmp_path / "good.nrrd"), "-o", str(out)],
            "scorecard": ["scorecard", str(case)],
            "evaluate": ["evaluate", str(case), "--predictions", str(tmp_path / "predicted"), "-o", str(out)],
            "figures": ["figures", str(case), "--dose", str(tmp_path / "good.nrrd"), "-o", str(out)],
        }[command],
        capsys,
    )
    assert "looks like cGy" in told and not out.exists()


def damaged(how: str, path: Path) -> None:
    dose = ball_dose()
    path.parent.mkdir(parents=True)
    if how == "several samples":
        image = sitk.JoinSeries([dose.to_image(), dose.to_image()])
        sitk.WriteImage(image, str(path))
    elif how == "in cGy":
        Volume(dose.array * 100.0, dose.geometry).write(path)
    elif how == "beside the patient":
        origin = (5000.0, *dose.geometry.origin_mm[1:])
        Volume(dose.array, replace(dose.geometry, origin_mm=origin)).write(path)
    else:
        dose.write(path.with_name("whole.nii.gz"))
        content = gzip.decompress(path.with_name("whole.nii.gz").read_bytes())
        path.unlink(missing_ok=True)
        path.with_suffix("").with_suffix(".nii.gz").write_bytes(gzip.compress(content[: len(content) // 2]))


@pytest.mark.parametrize(
    ("how", "said"),
    [("several samples", "dimensions"), ("in cGy", "looks like cGy"), ("beside the patient", "wholly outside"),
     ("cut off", "dose.nii.gz")],
)  # fmt: skip
def test_predictions_are_checked_before_they_are_scored(tmp_path, capsys, how, said):
    case = write_balls(tmp_path / "data", "a") / "a"
    damaged(how, tmp_path / "predicted" / "a" / "dose.nrrd")
    arguments = ["evaluate", str(case), "--predictions", str(tmp_path / "predicted"), "-o", str(tmp_path / "out")]
    assert said in refused(arguments, capsys)


def test_targets_of_one_dose_level_are_scored_as_one():
    nodes = Structure("PTVn_70", ball_patient().structures[3].mask, StructureRole.TARGET, None, 70.0)
    tumour, *rest = (s for s in ball_patient().structures if s.name in ("PTV70", "Body", "PTV56"))
    found = []
    for order in ((nodes, tumour, *rest), (tumour, *rest, nodes)):
        patient = replace(ball_patient(), structures=order, reference_dose=ball_dose())
        found.append(score_patient(patient, ball_dose(6.0)).differences["PTV70 D_99"])
    either = (nodes.mask.array != 0) | (ball_patient().structures[1].mask.array != 0)
    wanted = abs(np.percentile(ball_dose(6.0).array[either], 1) - np.percentile(ball_dose().array[either], 1))
    assert found == pytest.approx([wanted, wanted], abs=1e-3)


def test_the_cache_of_conditioned_cases_sees_that_a_file_in_a_folder_changed(tmp_path):
    case = write_balls(tmp_path / "data", "a") / "a"
    (first,) = cached_cases(tmp_path / "data", tmp_path / "cache", ("prescription", "region"))
    Volume(ball_dose().array * np.float32(0.5), ball_dose().geometry).write(tmp_path / "half.nrrd")
    shutil.copyfile(tmp_path / "half.nrrd", case / "dose.nrrd")  # the folder's own time stays
    (second,) = cached_cases(tmp_path / "data", tmp_path / "cache", ("prescription", "region"))
    assert second.dose_gy.max() == pytest.approx(first.dose_gy.max() / 2, rel=0.01)


def test_a_cached_case_without_a_digest_that_cannot_be_read_any_more_stays(tmp_path, monkeypatch):
    write_balls(tmp_path / "set", "a", "b")
    assert [case.identifier for case in cached_cases(tmp_path / "set", tmp_path / "cache", CHANNELS)] == ["a", "b"]
    monkeypatch.setattr(case_cache, "load_case", lambda path, load=case_cache.load_case: replace(load(path), digest=""))

    def refuse(path):
        raise InputError(f"{path} is refused now")

    monkeypatch.setattr("DosePredictionLib.patient.cases.read_patient", refuse)
    assert [case.digest for case in cached_cases(tmp_path / "set", tmp_path / "cache", CHANNELS)] == ["", ""]


def test_a_cache_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write to the cache .*file.cache"):
        list(cached_cases(tmp_path, tmp_path / "file" / "cache", CHANNELS))


def test_scores_of_several_patients_keep_their_names(tmp_path):
    write_balls(tmp_path / "data", "a", "b")
    for name, shift in (("a", 2.0), ("b", 6.0)):
        ball_dose(shift).write(tmp_path / "predicted" / name / "dose.nrrd")
    out = tmp_path / "out"
    arguments = ["evaluate", str(tmp_path / "data"), "--predictions", str(tmp_path / "predicted"), "-o", str(out)]
    assert main(arguments) == 0
    rows = {row["patient"]: float(row["dose_score_gy"]) for row in csv.DictReader(open(out / "scores.csv", newline=""))}
    assert rows["a"] < rows["b"]


@pytest.mark.parametrize("command", ["compare", "report", "scorecard", "evaluate", "figures"])
def test_every_command_tells_of_another_patients_prediction(tmp_path, capsys, command):
    case = write_balls(tmp_path / "data", "a") / "a"
    ball_dose().write(case / "dose.nrrd")
    dose = tmp_path / "predicted" / "a" / "dose.nrrd"
    ball_dose(2.0).write(dose)
    out = str(tmp_path / "out")
    arguments = {
        "compare": ["compare", str(case), "--dose", str(dose), "-o", out, "--gamma-points", "0"],
        "report": ["report", str(case), "--dose", str(dose), "-o", f"{out}.html", "--gamma-points", "0"],
        "scorecard": ["scorecard", str(case), "--dose", str(dose)],
        "evaluate": ["evaluate", str(case), "--predictions", str(tmp_path / "predicted"), "-o", out],
        "figures": ["figures", str(case), "--dose", str(dose), "-o", out],
    }[command]
    dose.with_name("prediction.json").write_text(json.dumps({"patient": "pt_202"}))
    assert main(arguments) == 0
    assert capsys.readouterr().err.count("a/prediction.json is about pt_202, the case is a.") == 1
    if command == "scorecard":
        dose.with_name("prediction.json").write_text(json.dumps({"patient": "a"}))
        assert main(arguments) == 0 and "is about" not in capsys.readouterr().err
    # Another program's file of that name matters only where something is taken from it.
    dose.with_name("prediction.json").write_text("[]")
    assert main(arguments) == (0 if command in ("scorecard", "evaluate") else 2)


@pytest.mark.parametrize(
    ("made_for", "case", "told"),
    [("p1_DICOM", "DICOM", 0), ("DICOM", "P1_dicom", 0), ("a", "a", 0), ("p1_DICOM", "p2_DICOM", 1), ("xa", "a", 1)],
)
def test_without_a_ct_a_prediction_is_known_by_the_cases_name(made_for, case, told):
    """In a batch the name is made of several folders. So it is with a prediction.json that keeps no digest."""
    patient = replace(ball_patient(), identifier=case)
    path = Path("out/prediction.json")
    assert len(another_patients(path, {"patient": made_for}, patient)) == told
    assert len(another_patients(path, {"patient": made_for, "ct_digest": ""}, patient)) == told
    without = replace(patient, ct=None, reference_dose=ball_dose())
    assert len(another_patients(path, {"patient": made_for, "ct_digest": "0a1b2c3d"}, without)) == told


def test_a_prediction_of_two_patients_called_alike_is_known_by_the_ct():
    patient = replace(ball_patient(), identifier="DICOM")
    path = Path("out/prediction.json")
    made = {"patient": "DICOM", "ct_digest": ct_digest(patient)}
    scanned_again = Volume(np.where(patient.ct.array > 0, 40, patient.ct.array), patient.geometry)
    assert another_patients(path, made, replace(patient, reference_dose=ball_dose())) == []
    (told,) = another_patients(path, made, replace(patient, ct=scanned_again))
    assert told.startswith("out/prediction.json is about DICOM, whose CT is not that of the case DICOM;")
