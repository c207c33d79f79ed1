"""Doses side by side: figures, tables, files, and the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_phantom import Study, circle, write_ct, write_dose, write_structures
from phantom import AXIAL, ball_patient, oblique_geometry, points_mm

from DosePredictionLib.cli.dose_options import named_dose
from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry import comparison as comparison_module
from DosePredictionLib.dosimetry.comparison import compare_doses, measured_structures
from DosePredictionLib.dosimetry.comparison_tables import write_comparison_csv
from DosePredictionLib.dosimetry.dose_difference import dose_difference
from DosePredictionLib.dosimetry.dose_file import read_dose_file
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.gamma import GammaCriterion
from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.dosimetry.voxel_statistics import comparison_mask, voxel_statistics
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.worker.predictor import patient_dvhs

GOALS = bundled_goals("head-and-neck")


def dose_gy(geometry: Geometry = AXIAL, scale: float = 1.0, added_gy: float = 0.0) -> Volume:
    """A dose around the high target of the ball."""
    distance = np.linalg.norm(points_mm(geometry) - (8.0, -10.0, 4.0), axis=-1)
    return Volume((scale * 72.0 * np.exp(-((distance / 60.0) ** 2)) + added_gy).astype(np.float32), geometry)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return replace(ball_patient(), reference_dose=dose_gy())


@pytest.fixture(scope="module")
def case(patient: Patient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison") / "ball"
    write_patient_folder(patient, folder)
    return folder


def test_a_prediction_and_a_comparison_measure_the_same_structures(patient: Patient) -> None:
    organ = next(s for s in patient.structures if s.role is StructureRole.OAR)
    every_role = patient.with_structures(replace(organ, name=role.value, role=role) for role in StructureRole)
    measured = [structure.name for structure in measured_structures(every_role)]
    assert measured == ["target", "oar", "other", "external"]
    assert set(patient_dvhs(every_role, dose_gy())) == set(measured)


def test_voxel_statistics_of_known_differences(patient: Patient) -> None:
    name, inside = comparison_mask(patient, AXIAL, dose_gy())
    assert name == "external contour (Body)"
    assert np.array_equal(inside, patient.structures[0].mask.array > 0)
    raised = voxel_statistics(dose_gy(), dose_gy(added_gy=1.5), inside, name)
    assert raised.mae_gy == pytest.approx(1.5, abs=1e-5) and raised.mean_difference_gy == pytest.approx(1.5, abs=1e-5)
    assert raised.rmse_gy == pytest.approx(1.5, abs=1e-5) and raised.max_absolute_gy == pytest.approx(1.5, abs=1e-4)
    assert raised.voxels == int(inside.sum()) and raised.volume_cc == pytest.approx(inside.sum() * 0.048)
    # A tenth of the voxels lower by 10 Gy: MAE 1, mean -1, RMSE sqrt(10), 95th percentile 10.
    changed = dose_gy().array.copy()
    index = np.flatnonzero(inside)[::10]
    changed.ravel()[index] -= 10.0
    share = index.size / inside.sum()
    lowered = voxel_statistics(dose_gy(), Volume(changed, AXIAL), inside, name)
    assert lowered.mae_gy == pytest.approx(10.0 * share, abs=1e-4)
    assert lowered.mean_difference_gy == pytest.approx(-10.0 * share, abs=1e-4)
    assert lowered.rmse_gy == pytest.approx(10.0 * np.sqrt(share), abs=1e-4)
    assert lowered.p95_absolute_gy == pytest.approx(10.0, abs=1e-3)


def test_the_mask_is_the_dose_region_then_the_external_then_a_tenth_of_the_dose(patient: Patient) -> None:
    region = replace(patient.structures[3], name="region", role=StructureRole.DOSE_REGION)
    name, inside = comparison_mask(patient.with_structures((*patient.structures, region)), AXIAL, dose_gy())
    assert name == "dose region (region)" and np.array_equal(inside, region.mask.array > 0)
    bare = patient.with_structures(patient.structures[1:])
    name, inside = comparison_mask(bare, AXIAL, dose_gy())
    assert "10 %" in name and np.array_equal(inside, dose_gy().array >= 0.1 * dose_gy().array.max())


def test_the_figures_are_those_of_the_dvhs_and_the_first_dose_is_the_reference(patient: Patient) -> None:
    doses = [NamedDose("Reference", dose_gy()), NamedDose("A", dose_gy(scale=1.02)), NamedDose("B", dose_gy())]
    comparison = compare_doses(patient, doses, GOALS, gamma_points=0)
    assert comparison.reference == "Reference" and [a.name for a in comparison.agreements] == ["A", "B"]
    assert list(comparison.dvhs["A"])[:2] == ["PTV70", "PTV56"], "targets first, highest dose first"
    by_key = {(figure.structure, figure.metric): figure.values_gy for figure in comparison.figures}
    cord = compute_dvh(dose_gy(scale=1.02), patient.structures[3])
    assert by_key["Cord", "Dmean"]["A"] == pytest.approx(cord.mean_gy)
    assert by_key["Cord", "D0.03cc"]["A"] == pytest.approx(cord.dose_at_volume_cc(0.03))
    for values in by_key.values():
        assert values["A"] == pytest.approx(1.02 * values["Reference"], rel=1e-5) and values["B"] == values["Reference"]
    assert comparison.agreements[1].voxels.mae_gy == 0.0 and comparison.agreements[0].voxels.mae_gy > 0.1
    assert all(level.dice == 1.0 for level in comparison.agreements[1].isodoses if level.reference_cc)
    assert all(not agreement.gamma for agreement in comparison.agreements) and comparison.gamma_note == ""
    assert len(comparison.goals["A"]) == len(comparison.goals["Reference"]) > 10


def test_every_figure_is_the_one_that_it_is_called(tmp_path: Path) -> None:
    """As read from the DVH by its name; in the table with its difference to the reference."""
    who, predicted = ball_patient(), dose_gy(scale=1.02)
    comparison = compare_doses(who, [NamedDose("Reference", dose_gy()), NamedDose("A", predicted)], gamma_points=0)
    structures = {structure.name: structure for structure in who.structures}
    for figure in comparison.figures:
        structure = structures[figure.structure]
        wanted = Metric.parse(figure.metric).measure(compute_dvh(predicted, structure), predicted, structure, None)
        assert figure.values_gy["A"] == pytest.approx(wanted), (figure.structure, figure.metric)
    assert len({figure.metric for figure in comparison.figures}) == 7
    write_comparison_csv(comparison, tmp_path / "compare.csv")
    rows = list(csv.DictReader(open(tmp_path / "compare.csv", newline="", encoding="utf-8")))
    volumes = [row for row in rows if (row["kind"], row["metric"]) == ("isodose", "volume")]
    for row in volumes:
        assert float(row["A - Reference"]) == pytest.approx(float(row["A"]) - float(row["Reference"]), abs=0.02)
    assert max(float(row["A - Reference"]) for row in volumes) > 1.0


def test_dose_in_the_couch_counts_in_none_of_the_figures(patient: Patient) -> None:
    """Planning systems calculate dose in couch and mask too; a prediction has none outside the body."""
    body = patient.structures[0].mask.array > 0
    outside = Volume(np.where(body, 0.0, dose_gy().array).astype(np.float32), AXIAL)
    assert outside.array.max() > 20.0, "the phantom has dose around the body"
    within = Volume(dose_gy().array - outside.array, AXIAL)
    comparison = compare_doses(patient, [NamedDose("clinical", dose_gy()), NamedDose("predicted", within)],
                               gamma_points=2000, criteria=[GammaCriterion(3.0, 3.0)])  # fmt: skip
    assert comparison.region == "external contour (Body)"
    (agreement,) = comparison.agreements
    assert agreement.voxels.mae_gy == 0.0
    assert agreement.gamma[0].pass_percent == 100.0
    assert agreement.gamma[0].eligible_points == np.count_nonzero(body & (dose_gy().array >= 7.2))
    assert all(level.dice == 1.0 and level.hd95_mm == 0.0 for level in agreement.isodoses)
    unlimited = patient.with_structures([s for s in patient.structures if s.role is not StructureRole.EXTERNAL])
    everywhere = compare_doses(unlimited, [NamedDose("clinical", dose_gy()), NamedDose("predicted", within)],
                               gamma_points=0)  # fmt: skip
    assert everywhere.region == "" and everywhere.agreements[0].isodoses[0].hd95_mm > 0.0


def test_two_doses_of_one_name_are_refused(patient: Patient) -> None:
    with pytest.raises(InputError, match="called 'A'"):
        compare_doses(patient, [NamedDose("A", dose_gy()), NamedDose("A", dose_gy())], gamma_points=0)


def test_without_pymedphys_the_rest_is_measured_and_the_reason_said(
    patient: Patient, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison_module, "gamma_is_available", lambda: False)
    monkeypatch.setattr("DosePredictionLib.cli.dose_options.gamma_is_available", lambda: False)
    comparison = compare_doses(patient, [NamedDose("R", dose_gy()), NamedDose("A", dose_gy())])
    assert "pip install pymedphys" in comparison.gamma_note and comparison.agreements[0].gamma == ()
    dose_gy().write(tmp_path / "a.nrrd")
    arguments = ["compare", str(case), "--dose", str(tmp_path / "a.nrrd"), "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "pip install pymedphys" in capsys.readouterr().err
    assert "pip install pymedphys" in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert main([*arguments, "--gamma-points", "100"]) == 2
    assert "pip install pymedphys" in capsys.readouterr().err


def test_the_command_writes_tables_report_and_difference(case: Path, tmp_path: Path, capsys) -> None:
    first, second, out = tmp_path / "run 1" / "dose.nrrd", tmp_path / "b.nii.gz", tmp_path / "out"
    dose_gy(added_gy=2.0).write(first)
    dose_gy(oblique_geometry((2.0, 2.5, 3.0))).write(second)
    code = main(["compare", str(case), "--dose", str(first), "--dose", f"turned, fine={second}", "-o", str(out),
                 "--gamma-points", "0"])  # fmt: skip
    assert code == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "compare.csv", "compare.html", "compare.json", "difference_run_1.nrrd", "difference_turned_fine.nrrd"
    ]  # fmt: skip
    difference = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "difference_run_1.nrrd")))
    assert difference == pytest.approx(2.0, abs=1e-4)
    rows = list(csv.DictReader(open(out / "compare.csv", newline="", encoding="utf-8")))
    mean = next(row for row in rows if (row["structure"], row["metric"]) == ("Cord", "Dmean"))
    assert float(mean["run 1 - Reference"]) == pytest.approx(2.0, abs=0.002)
    assert abs(float(mean["turned, fine - Reference"])) < 0.2
    assert float(mean["run 1"]) == pytest.approx(float(mean["Reference"]) + 2.0, abs=0.002)
    mae = next(row for row in rows if row["metric"] == "MAE")
    assert (mae["structure"], mae["unit"]) == ("external contour (Body)", "Gy")
    assert float(mae["run 1"]) == pytest.approx(2.0, abs=1e-3) and float(mae["turned, fine"]) < 0.5
    assert {row["kind"] for row in rows} == {"dvh", "goal", "verdict", "reason", "voxels", "isodose"}
    content = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert content["goal_set"] == "head-and-neck"
    assert content["doses"] == ["Reference", "run 1", "turned, fine"] and content["reference"] == "Reference"
    assert content["agreement"]["run 1"]["voxels"]["mask"] == "external contour (Body)"
    assert content["intended_use"] == "Research use, not for clinical decisions."
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert page.count('class="curve"') > 3 * 5 and "turned, fine" in page
    assert "MAE 2.00 Gy" in capsys.readouterr().out


def test_without_a_reference_the_first_dose_is_it(case: Path, tmp_path: Path, capsys) -> None:
    dose_gy().write(tmp_path / "a.nrrd")
    dose_gy(scale=0.9).write(tmp_path / "b.nrrd")
    one = ["compare", str(case), "-o", str(tmp_path / "out"), "--gamma-points", "0", "--without-reference",
           "--dose", str(tmp_path / "a.nrrd")]  # fmt: skip
    assert main(one) == 2 and "second --dose" in capsys.readouterr().err
    assert main([*one, "--dose", str(tmp_path / "b.nrrd")]) == 0
    content = json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8"))
    assert content["reference"] == "a" and list(content["agreement"]) == ["b"]


def dicom_case(folder: Path, patient: Patient, study: Study, **dose: str) -> Path:
    """The ball with a PTV70 as a DICOM case; ``dose`` are attributes of its RTDOSE."""
    assert patient.ct is not None and patient.reference_dose is not None
    write_ct(folder / "ct", patient.ct, study)
    circles = {"PTV70": [circle(AXIAL, index, (100.0, 80.0), 20.0) for index in range(10, 20)]}
    write_structures(folder / "rs.dcm", circles, study)
    write_dose(folder / "rd.dcm", patient.reference_dose, study, **dose)
    return folder


def test_what_is_odd_about_case_and_doses_is_told_on_the_terminal_and_in_the_page(
    patient: Patient, tmp_path: Path, capsys
) -> None:
    study = Study()
    folder = dicom_case(tmp_path / "case", patient, study, DoseType="EFFECTIVE")
    write_dose(tmp_path / "rbe.dcm", dose_gy(scale=1.1), study, DoseType="EFFECTIVE")
    Volume(np.zeros(AXIAL.shape, np.float32), AXIAL).write(tmp_path / "empty.nrrd")
    found = ("The clinical dose is an effective one", "The dose rbe.dcm is an effective one, corrected for its "
             "biological effect (DoseType EFFECTIVE)", "The dose empty.nrrd is 0 everywhere")  # fmt: skip
    out = tmp_path / "out"
    given = ["--dose", f"RBE={tmp_path / 'rbe.dcm'}", "--dose", str(tmp_path / "empty.nrrd"), "--gamma-points", "0"]
    assert main(["compare", str(folder), *given, "-o", str(out)]) == 0
    told = capsys.readouterr().err
    page = (out / "compare.html").read_text(encoding="utf-8")
    for words in found:
        assert f"Warning: {words}" in told and words in page
    assert main(["report", str(folder), *given[2:], "-o", str(tmp_path / "page.html")]) == 0
    told = capsys.readouterr().err
    assert all(f"Warning: {words}" in told for words in (found[0], found[2])) and found[1] not in told
    assert found[2] in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_reference_dose_of_zero_is_told(case: Path, patient: Patient, tmp_path: Path, capsys) -> None:
    empty = replace(patient, reference_dose=Volume(np.zeros(AXIAL.shape, np.float32), AXIAL))
    write_patient_folder(empty, tmp_path / "ball")
    dose_gy().write(tmp_path / "a.nrrd")
    assert main(["compare", str(tmp_path / "ball"), "--dose", str(tmp_path / "a.nrrd"), "-o", str(tmp_path / "out"),
                 "--gamma-points", "0"]) == 0  # fmt: skip
    assert "Warning: The reference dose of ball is 0 everywhere" in capsys.readouterr().err


def test_why_a_case_with_an_error_dose_has_no_reference_is_told(patient: Patient, tmp_path: Path, capsys) -> None:
    study = Study()
    folder = dicom_case(tmp_path / "case", patient, study, DoseType="ERROR")
    write_dose(tmp_path / "own.dcm", dose_gy(), study)
    arguments = ["compare", str(folder), "--dose", str(tmp_path / "own.dcm"), "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert "rd.dcm" in told and "DoseType ERROR" in told and "has no reference dose" in told.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_goals_are_those_of_site_and_fractions_unless_named(patient: Patient, tmp_path: Path, capsys) -> None:
    write_patient_folder(replace(patient, identifier="lung", site="thorax", fractions=5), tmp_path / "lung")
    dose_gy(scale=0.9).write(tmp_path / "a.nrrd")
    out = tmp_path / "out"
    arguments = ["compare", str(tmp_path / "lung"), "--dose", str(tmp_path / "a.nrrd"), "-o", str(out),
                 "--gamma-points", "0"]  # fmt: skip
    assert main(arguments) == 0
    stereotactic = bundled_goals("rtog-0813")
    why = "for thorax; for 5 fractions"
    assert f"Goals: {stereotactic.title} [rtog-0813]: {why}" in capsys.readouterr().out
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert f"{stereotactic.title} (rtog-0813). Taken for this case, as no set was named: {why}." in page
    assert main([*arguments, "--goals", "quantec"]) == 0
    assert f"Goals: {bundled_goals('quantec').title} [quantec], as asked for." in capsys.readouterr().out
    page = (out / "compare.html").read_text(encoding="utf-8")
    assert "(quantec)." in page and "no set was named" not in page


def test_doses_that_cannot_be_used_get_one_sentence(case: Path, tmp_path: Path, capsys) -> None:
    dose_gy(scale=100.0).write(tmp_path / "cgy.nrrd")
    dose_gy(added_gy=-35.0).write(tmp_path / "difference.nrrd")
    broken = dose_gy()
    broken.array[3, 4, 5] = np.nan
    broken.write(tmp_path / "nan.nrrd")
    far = Geometry((10, 10, 10), (3.0, 3.0, 3.0), (900.0, 0.0, 0.0))
    Volume(np.ones(far.shape, np.float32), far).write(tmp_path / "far.nrrd")
    for given, words in (
        (str(tmp_path / "cgy.nrrd"), "looks like cGy"), (str(tmp_path / "nan.nrrd"), "1 voxels that are not numbers"),
        (str(tmp_path / "difference.nrrd"), "not a difference of doses"),
        (str(tmp_path / "far.nrrd"), "outside the patient"), (str(tmp_path / "none.nrrd"), "no file"),
        (f"={tmp_path / 'cgy.nrrd'}", "no name"),
    ):  # fmt: skip
        assert main(["compare", str(case), "--dose", given, "-o", str(tmp_path / "out")]) == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1 and words in told[0], told
    assert not (tmp_path / "out").exists()


def test_a_dose_from_an_rtdose_file_is_the_dose(patient: Patient, tmp_path: Path) -> None:
    assert patient.ct is not None and patient.reference_dose is not None
    slices = write_ct(tmp_path / "ct", patient.ct, Study())
    write_rtdose(patient.reference_dose, DicomReference.of_ct_files(slices), tmp_path / "dose.dcm")
    again = read_dose_file(tmp_path / "dose.dcm", patient.geometry)
    assert again.geometry.is_close(patient.reference_dose.geometry)
    assert np.allclose(again.array, patient.reference_dose.array, atol=1e-5)


def test_an_rtdose_file_of_another_patient_or_of_another_kind_is_refused(patient: Patient, tmp_path: Path) -> None:
    assert patient.ct is not None and patient.reference_dose is not None
    study = Study()
    circles = {"PTV70": [circle(AXIAL, index, (100.0, 80.0), 20.0) for index in range(10, 20)]}
    write_ct(tmp_path / "case" / "ct", patient.ct, study)
    structures = write_structures(tmp_path / "case" / "rs.dcm", circles, study)
    read = read_patient(tmp_path / "case")
    assert read.frame_of_reference_uid == study.frame_uid
    doses = {
        "its own": write_dose(tmp_path / "own.dcm", patient.reference_dose, study),
        "another frame of reference": write_dose(tmp_path / "other.dcm", patient.reference_dose, Study()),
        "DoseType ERROR": write_dose(tmp_path / "error.dcm", patient.reference_dose, study, DoseType="ERROR"),
        "kind BEAM": write_dose(tmp_path / "beam.dcm", patient.reference_dose, study, DoseSummationType="BEAM"),
        "kind RTSTRUCT": structures,
    }
    own = named_dose(str(doses.pop("its own")), read)
    assert np.allclose(own.dose.array, patient.reference_dose.array, atol=1e-5)
    for words, path in doses.items():
        with pytest.raises(InputError, match=words):
            named_dose(f"A={path}", read)


def test_names_that_files_cannot_tell_apart_get_files_of_their_own(patient: Patient, tmp_path: Path) -> None:
    write_patient_folder(patient, tmp_path / "case")
    arguments = ["compare", str(tmp_path / "case"), "-o", str(tmp_path / "out"), "--gamma-points", "0"]
    for number, name in enumerate(("VMAT", "VMAT+", "vmat", "a/b")):
        dose_gy(added_gy=float(number + 1)).write(tmp_path / f"{number}.nrrd")
        arguments += ["--dose", f"{name}={tmp_path / f'{number}.nrrd'}"]
    assert main(arguments) == 0
    images = {path.name: sitk.ReadImage(str(path)) for path in (tmp_path / "out").glob("difference_*")}
    found = {name: sitk.GetArrayFromImage(image).max() for name, image in images.items()}
    assert found == {f"difference_{name}.nrrd": pytest.approx(number + 1.0, abs=1e-4) for number, name in
                     enumerate(("VMAT", "VMAT_2", "vmat_3", "a_b"))}  # fmt: skip


@pytest.mark.parametrize(
    "content", ['{"warnings": null}', '{"review": ["x"]}', '{"review": [{"text": "x"}]}',
                '{"review": [{"id": "a", "text": "b", "evidence": 3}]}'],
)  # fmt: skip
def test_another_programs_prediction_json_is_refused(content: str, patient: Patient, tmp_path: Path, capsys) -> None:
    write_patient_folder(patient, tmp_path / "case")
    dose_gy().write(tmp_path / "other" / "dose.nrrd")
    (tmp_path / "other" / "prediction.json").write_text(content)
    arguments = ["report", str(tmp_path / "case"), "--dose", str(tmp_path / "other" / "dose.nrrd")]
    assert main([*arguments, "-o", str(tmp_path / "report.html"), "--gamma-points", "0"]) == 2
    assert "no prediction.json that predict wrote" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["-1", "4294967296", "x"])
def test_seeds_that_gamma_cannot_use_are_refused_at_once(seed: str, capsys) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["compare", "nowhere", "-o", "out", f"--seed={seed}"])
    assert refused.value.code == 2 and "is no whole number from 0 to" in capsys.readouterr().err


def test_beyond_the_evaluated_doses_grid_nothing_is_a_difference(patient: Patient) -> None:
    whole = dose_gy()
    part = Volume(whole.array[8:30, 10:36, 12:40], AXIAL.cropped((8, 10, 12), (22, 26, 28)))
    inside = np.ones(AXIAL.shape, bool)
    found = voxel_statistics(whole, part, inside, "all")
    assert found.max_absolute_gy == pytest.approx(0.0, abs=1e-4) and found.voxels == part.array.size
    assert found.mask == "all, as far as the evaluated dose's grid reaches"
    assert np.abs(dose_difference(part, whole, whole.geometry).array).max() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("shift_mm", [0.0, -100.3, 17.7])
def test_voxels_on_the_very_border_of_a_coarser_dose_are_no_difference(shift_mm: float) -> None:
    """Dose voxels of twice the CT's size, every other centre in common: the dose's grid ends on centres of the CT."""
    coarse = Geometry((10, 10, 10), (4.0, 4.0, 4.0), (shift_mm,) * 3)
    fine = Geometry((30, 30, 30), (2.0, 2.0, 2.0), (shift_mm - 10.0,) * 3)
    reference, dose = (Volume(np.full(grid.shape, 40.0, np.float32), grid) for grid in (fine, coarse))
    assert voxel_statistics(reference, dose, np.ones(fine.shape, bool), "all").max_absolute_gy == 0.0
    assert not dose_difference(dose, reference, fine).array.any()


def test_what_a_dose_does_not_reach_is_told_and_has_no_figures_where_it_reaches_nothing(patient, tmp_path, capsys):
    target, organ = patient.targets[0], next(s for s in patient.structures if s.role is StructureRole.OAR)
    places = np.argwhere(target.mask.on_grid(AXIAL, nearest=True).array)
    middle = int(np.median(places[:, 0]))
    part_percent = 100.0 * float(np.mean(places[:, 0] >= middle))
    half = Volume(dose_gy().array[:middle], AXIAL.cropped((0, 0, 0), (middle, *AXIAL.shape[1:])))
    above = Volume(np.ones((2, 2, 2), np.uint8), AXIAL.cropped((AXIAL.shape[0] - 2, 5, 5), (2, 2, 2)))
    far = replace(organ, name="Lens", mask=above, role=StructureRole.OTHER, standard_name=None)
    case, out = tmp_path / "case", tmp_path / "out"
    write_patient_folder(replace(patient, reference_dose=half, structures=(*patient.structures, far)), case)
    dose_gy().write(tmp_path / "whole.nrrd")
    assert (
        main(["compare", str(case), "--dose", f"A={tmp_path / 'whole.nrrd'}", "-o", str(out), "--gamma-points", "0"])
        == 0
    )
    told = " ".join(capsys.readouterr().out.split())
    page = (out / "compare.html").read_text(encoding="utf-8")
    for sentence in (f"{part_percent:.1f} % of {target.name} outside Reference", "100.0 % of Lens outside Reference"):
        assert sentence in told and sentence in page
    with (out / "compare.csv").open(newline="", encoding="utf-8") as stream:
        rows = {(row["structure"], row["metric"]): row for row in csv.DictReader(stream) if row["kind"] == "dvh"}
    lens = rows["Lens", "Dmean"]
    assert (lens["Reference"], lens["A - Reference"]) == ("", "") and float(lens["A"]) > 0.0
    outside = rows[target.name, "outside the dose's grid"]
    assert float(outside["Reference"]) == pytest.approx(part_percent, abs=0.01) and float(outside["A"]) == 0.0
    content = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    assert content["outside_dose_percent"]["Lens"] == {"Reference": 100.0, "A": 0.0}
