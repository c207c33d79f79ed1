"""The headless command: a case folder in, a scene that Slicer opens, pictures, tables and the dose out."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_phantom import Study, circle, write_ct, write_structures
from DosePredictionScene.headless import argument_parser
from DosePredictionScene.headless_case import CONTENTS, predict_case, write_scene
from DosePredictionScene.known_outlines import with_known_outlines
from DosePredictionScene.nodes_from_patient import nodes_from_patient
from DosePredictionScene.patient_from_nodes import PlanContext, patient_from_nodes
from DosePredictionScene.prediction_request import ModelChoice
from DosePredictionScene.prediction_run import PredictionRun
from DosePredictionScene.self_test import phantom_nodes, spherical_dose
from phantom import AXIAL, ball_patient
from phantom_scene import PromptPredictor

from DosePredictionLib import whole_file
from DosePredictionLib.dosimetry.goals import bundled_goals, evaluate_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.segmentation_nrrd import read_segmentation
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.worker.predictor import patient_dvhs

FILES = {"scene.mrb", "views.png", "dvh.png", "goals.csv", "dvh.csv", "dose.nrrd", "prediction.json"}
SCRIPT = Path(__file__).resolve().parents[2] / "DosePrediction" / "DosePredictionScene" / "headless.py"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case folder of the phantom."""
    import slicer

    folder = tmp_path_factory.mktemp("cases") / "phantom"
    write_patient_folder(patient_from_nodes(*phantom_nodes(), plan=PlanContext("phantom")), folder)
    slicer.mrmlScene.Clear(False)
    return folder


@pytest.fixture(scope="module")
def results(case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command leaves for it."""
    import slicer

    output = tmp_path_factory.mktemp("results") / "out"
    slicer.mrmlScene.Clear(False)
    slicer.app.lay_out_views()
    predict_case(argument_parser().parse_args([str(case), "-o", str(output), "--seed", "3"]), PromptPredictor)
    return output


@pytest.fixture(scope="module")
def scene(results: Path) -> dict[str, list[dict[str, str]]]:
    """Attributes of every element in the scene file, by tag."""
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        (name,) = (name for name in bundle.namelist() if name.endswith(".mrml"))
        root = ElementTree.fromstring(bundle.read(name))
    found: dict[str, list[dict[str, str]]] = {}
    for element in root.iter():
        found.setdefault(element.tag, []).append(dict(element.attrib))
    return found


def named(scene, tag: str, part: str) -> dict[str, str]:
    (node,) = (node for node in scene[tag] if part in node["name"])
    return node


def references(node: dict[str, str]) -> dict[str, list[str]]:
    parts = [part.split(":", 1) for part in node.get("references", "").split(";") if part]
    return {role: ids.split() for role, ids in parts}


def test_every_file_is_there_and_no_other(results: Path) -> None:
    assert {path.name for path in results.iterdir()} == FILES
    assert set(CONTENTS) == FILES | {"dose_std.nrrd", "dose_uncalibrated.nrrd"}, "those where there are any"


def test_the_dose_file_is_the_prediction_on_the_ct_grid(results: Path, case: Path) -> None:
    ct, dose = sitk.ReadImage(str(case / "ct.nrrd")), sitk.ReadImage(str(results / "dose.nrrd"))
    assert dose.GetSize() == ct.GetSize()
    assert np.allclose(dose.GetOrigin(), ct.GetOrigin()) and np.allclose(dose.GetDirection(), ct.GetDirection())
    expected = spherical_dose(read_patient(case)).dose.array
    assert np.allclose(sitk.GetArrayFromImage(dose), expected, atol=1e-3)


def test_the_scene_holds_ct_dose_structures_and_their_files(scene, results: Path) -> None:
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        files = {Path(name).name for name in bundle.namelist()}
        assert bundle.testzip() is None
    stored = {Path(unquote(n["fileName"])).name for nodes in scene.values() for n in nodes if "fileName" in n}
    assert stored <= files
    assert {"phantom CT.nrrd", "phantom structures.seg.nrrd", "phantom CT predicted dose.nrrd"} <= stored
    dose = named(scene, "Volume", "predicted dose")
    assert "DicomRtImport.DoseVolume:1" in dose["attributes"]
    (segmentation,) = scene["Segmentation"]
    assert segmentation["name"] == "phantom structures"


def test_the_dose_in_the_scene_is_the_dose_in_the_file(results: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        (name,) = (name for name in bundle.namelist() if name.endswith("predicted dose.nrrd"))
        bundle.extract(name, tmp_path)
    in_scene, in_file = sitk.ReadImage(str(tmp_path / name)), sitk.ReadImage(str(results / "dose.nrrd"))
    assert np.allclose(sitk.GetArrayFromImage(in_scene), sitk.GetArrayFromImage(in_file), atol=1e-4)
    for index in [(0, 0, 0), (40, 30, 20)]:
        place = in_file.TransformIndexToPhysicalPoint(index)
        assert np.allclose(in_scene.TransformIndexToPhysicalPoint(index), place, atol=1e-3)


def test_slicers_own_reader_brings_all_of_it_back(results: Path, tmp_path: Path) -> None:
    import slicer

    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        bundle.extractall(tmp_path)
    slicer.mrmlScene.Clear(False)
    slicer.mrmlScene.SetURL(str(next(tmp_path.rglob("*.mrml"))))
    messages = slicer.vtkMRMLMessageCollection()
    assert slicer.mrmlScene.Import(messages)
    assert [messages.GetNthMessageText(index) for index in range(messages.GetNumberOfMessages())] == []
    ct = slicer.mrmlScene.GetFirstNodeByName("phantom CT")
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    patient = patient_from_nodes(ct, segmentation)
    assert {s.name: s.role.value for s in patient.structures} == {
        "BODY": "external", "PTV70": "target", "SpinalCord": "oar"
    }  # fmt: skip
    dose = ct.GetNodeReference("DosePrediction.Dose")
    expected = spherical_dose(patient).dose.array
    assert np.allclose(slicer.util.arrayFromVolume(dose), expected, atol=1e-3)
    levels = dose.GetNodeReference("colorTableRef")
    assert [levels.GetColorName(index) for index in range(levels.GetNumberOfColors())][:3] == ["7", "21", "35"]
    assert dose.GetDisplayNode().GetColorNode().GetNumberOfColors() == 256
    chart = dose.GetNodeReference("DosePrediction.DvhChart")
    assert chart.GetNumberOfPlotSeriesNodes() == 3
    assert all(chart.GetNthPlotSeriesNode(index).GetTableNode().GetNumberOfRows() > 1000 for index in range(3))
    assert dose.GetNodeReference("DosePrediction.GoalsTable").GetNumberOfRows() > 10


def test_the_scene_has_isodose_levels_colours_and_legend(scene, results: Path) -> None:
    dose = named(scene, "Volume", "predicted dose")
    (isodose_id,) = references(dose)["colorTableRef"]
    isodoses = named(scene, "ColorTable", "isodose levels")
    assert isodoses["id"] == isodose_id
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        (name,) = (name for name in bundle.namelist() if "isodose levels" in name)
        text = bundle.read(name).decode()
    assert re.findall(r'^\d+,"([\d.]+)",', text, re.MULTILINE) == [
        "7", "21", "35", "49", "56", "63", "66.5", "70", "73.5", "77"
    ]  # fmt: skip
    (legend,) = scene["ColorLegendDisplay"]
    assert legend["titleText"] == "Dose [Gy]" and legend["visibility"] == "true"
    display_ids = references(dose)["display"]
    assert legend["id"] in display_ids
    display = next(node for node in scene["VolumeDisplay"] if node["id"] in display_ids)
    assert display["applyThreshold"] == "1" and float(display["lowerThreshold"]) == 7.0
    assert display["colorNodeID"] == named(scene, "ColorTable", "colours")["id"]
    assert named(scene, "Model", "isodoses")["attributes"] == "DicomRtImport.IsodoseModel:1"


def test_the_scene_opens_with_layers_chart_table_and_layout(scene) -> None:
    (layout,) = scene["Layout"]
    assert layout["currentViewArrangement"] == "38"
    dose, ct = named(scene, "Volume", "predicted dose"), next(n for n in scene["Volume"] if n["name"] == "phantom CT")
    assert len(scene["SliceComposite"]) == 3
    for composite in scene["SliceComposite"]:
        assert references(composite)["backgroundVolume"] == [ct["id"]]
        assert references(composite)["foregroundVolume"] == [dose["id"]]
    (chart,) = scene["PlotChart"]
    (plot_view,) = scene["PlotView"]
    (table_view,) = scene["TableView"]
    assert references(plot_view)["plotChart"] == [chart["id"]]
    assert references(table_view)["table"] == [named(scene, "Table", "goals")["id"]]
    assert {series["name"] for series in scene["PlotSeries"]} == {"BODY", "PTV70", "SpinalCord"}
    assert set(references(chart)["plotSeries"]) == {series["id"] for series in scene["PlotSeries"]}


def test_slicer_opens_the_scene_as_one_of_its_own(scene) -> None:
    # Of another application or a later version it would say that the scene may not load correctly.
    assert re.fullmatch(r"Slicer 5\.10\.0 [1-9]\d*", scene["MRML"][0]["version"])


def test_the_scene_keeps_the_study_with_its_dose_unit(scene) -> None:
    items = scene["SubjectHierarchyItem"]
    (study,) = (item for item in items if "Study" in item.get("attributes", ""))
    assert "DicomRtImport.DoseUnitName^GY" in study["attributes"]
    assert "DicomRtImport.DoseUnitValue^1" in study["attributes"]
    children = {item.get("dataNode") for item in items if item.get("parent") == study["id"]}
    assert {named(scene, "Volume", "predicted dose")["id"], scene["Segmentation"][0]["id"]} <= children


def test_roles_and_prescription_are_kept_with_the_segments(results: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        (name,) = (name for name in bundle.namelist() if name.endswith(".seg.nrrd"))
        header = bundle.read(name)[:20_000].decode("latin-1")
    assert "DosePrediction.Role:target" in header
    assert "DosePrediction.PrescriptionGy:70" in header


def test_tables_and_provenance(results: Path) -> None:
    with open(results / "goals.csv", newline="", encoding="utf-8") as stream:
        goals = list(csv.DictReader(stream))
    assert {row["verdict"] for row in goals} <= {"pass", "tolerance", "fail", "not applicable"}
    with open(results / "dvh.csv", newline="", encoding="utf-8") as stream:
        header = next(csv.reader(stream))
    assert header == ["dose_gy", "BODY", "PTV70", "SpinalCord"]
    assert json.loads((results / "prediction.json").read_text())["patient"] == "phantom"


def test_the_verdicts_survive_in_the_scene(results: Path) -> None:
    with zipfile.ZipFile(results / "scene.mrb") as bundle:
        (name,) = (name for name in bundle.namelist() if name.endswith("goals.tsv"))
        text = bundle.read(name).decode("utf-8")
    assert "⚪ not applicable" in text


def test_it_tells_what_it_did(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict_case(argument_parser().parse_args([str(case), "-o", str(tmp_path / "out")]), PromptPredictor)
    told = capsys.readouterr()
    assert "sampling" in told.err and "s left" in told.err
    table, where = told.out.index("Verdict"), told.out.index(str((tmp_path / "out").resolve()))
    assert table < where
    assert "Research use, not for clinical decisions." in told.out
    assert {line.split()[0] for line in told.out[where:].splitlines()[1:]} == FILES


@pytest.mark.parametrize(
    ("given", "wanted"),
    [([], False), (["--calibrate"], True), (["--calibration-weights", "adc.safetensors"], Path("adc.safetensors"))],
)
def test_the_calibration_of_the_dose_is_that_of_the_command_line(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], wanted: bool | Path
) -> None:
    asked: list[bool | Path] = []

    class Calibrating(PromptPredictor):
        def __init__(self, system: str, weights: Path | None, device: str, *, calibrate: bool | Path) -> None:
            super().__init__()
            asked.append(calibrate)

        def finish(self) -> None:
            super().finish()
            if asked[0]:
                self._events[-1] = replace(self._events[-1], uncalibrated=self._events[-1].dose)

    monkeypatch.setattr("DosePredictionScene.prediction_run.Predictor", Calibrating)
    for shown in ("write_pictures", "write_scene"):
        monkeypatch.setattr(f"DosePredictionScene.headless_case.{shown}", lambda *_: None)
    predict_case(argument_parser().parse_args([str(case), "-o", str(tmp_path / "out"), *given]))
    assert asked == [wanted]
    assert (tmp_path / "out" / "dose_uncalibrated.nrrd").exists() == bool(wanted)


@pytest.fixture
def dicom_folder(tmp_path: Path) -> Path:
    """A DICOM case with a target and a thin cord, both drawn as circles."""
    study, folder, ct = Study(), tmp_path / "dicom", ball_patient().ct
    assert ct is not None
    write_ct(folder / "ct", ct, study)
    circles = {
        "PTV70": [circle(AXIAL, index, (96.3, 76.9), 21.7) for index in range(12, 26)],
        "SpinalCord": [circle(AXIAL, index, (95.1, 130.3), 5.2) for index in range(6, 34)],
    }
    write_structures(folder / "rs.dcm", circles, study)
    return folder


def test_a_dicom_case_is_measured_by_its_contours_as_on_the_command_line(
    dicom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shown in ("write_pictures", "write_scene"):
        monkeypatch.setattr(f"DosePredictionScene.headless_case.{shown}", lambda *_: None)
    out = tmp_path / "out"
    done = predict_case(argument_parser().parse_args([str(dicom_folder), "-o", str(out)]), PromptPredictor)
    patient, prediction = read_patient(dicom_folder), done.prediction
    by_contours = patient_dvhs(patient, prediction.dose)
    for name, radius_mm, length_mm in (("PTV70", 21.7, 14 * 3.0), ("SpinalCord", 5.2, 28 * 3.0)):
        found = prediction.dvhs[name]
        assert found.volume_cc == pytest.approx(np.pi * radius_mm**2 * length_mm / 1000.0, rel=0.01), name
        assert found.volume_cc == by_contours[name].volume_cc and found.mean_gy == by_contours[name].mean_gy
    cord = next(s for s in patient.structures if s.name == "SpinalCord")
    voxels_cc = int(cord.mask.array.sum()) * cord.mask.geometry.voxel_volume_cc
    assert abs(voxels_cc / by_contours["SpinalCord"].volume_cc - 1.0) > 0.02, "counting voxels would be another volume"
    wanted = evaluate_goals(bundled_goals("head-and-neck"), patient, prediction.dose, by_contours)
    with open(out / "goals.csv", newline="", encoding="utf-8") as stream:
        written = [row["verdict"] for row in csv.DictReader(stream)]
    assert written == [result.verdict.value for result in wanted]


def test_an_outline_is_not_taken_for_voxels_that_were_changed(dicom_folder: Path) -> None:
    source = read_patient(dicom_folder)
    bare = [replace(s, mask=Volume(s.mask.array.copy(), s.mask.geometry)) for s in source.structures]
    edited = next(s for s in bare if s.name == "SpinalCord")
    edited.mask.array[tuple(np.argwhere(edited.mask.array)[0])] = 0
    found = with_known_outlines(source.with_structures(bare), source)
    assert {s.name: isinstance(s.mask, OutlinedMask) for s in found.structures} == {"PTV70": True, "SpinalCord": False}


def test_small_structures_are_saved_with_the_voxels_of_the_ct_where_they_lie(
    dicom_folder: Path, tmp_path: Path
) -> None:
    import slicer

    source = read_patient(dicom_folder)
    assert any(s.mask.geometry.spacing_mm[0] < source.geometry.spacing_mm[0] for s in source.structures)
    nodes = nodes_from_patient(source)
    shown = patient_from_nodes(nodes.ct, nodes.segmentation)
    write_scene(tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as bundle:
        file = Path(bundle.extract(next(n for n in bundle.namelist() if n.endswith(".seg.nrrd")), tmp_path))
    grid, in_file = read_segmentation(file)
    assert grid.spacing_mm == pytest.approx(source.geometry.spacing_mm), "a finer grid would take all of them along"
    assert all(np.less(grid.shape, source.geometry.shape)), "only the part that holds structures"
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    reader = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    reader.SetFileName(str(file))
    assert reader.ReadData(segmentation)
    loaded = patient_from_nodes(nodes.ct, segmentation)
    for known, *found in zip(shown.structures, in_file, loaded.structures, strict=True):
        for other in found:
            assert np.array_equal(other.mask.array, known.mask.array), known.name
            assert other.mask.geometry.is_close(known.mask.geometry), known.name
    for one, known in zip(with_known_outlines(loaded, source).structures, source.structures, strict=True):
        assert np.array_equal(one.measured.array, known.measured.array), "its files' contours belong to it as before"


def test_goals_suit_the_case_unless_they_are_named(
    dicom_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shown in ("write_pictures", "write_scene"):
        monkeypatch.setattr(f"DosePredictionScene.headless_case.{shown}", lambda *_: None)
    (dicom_folder / "prescription.json").write_text('{"site": "thorax", "fractions": 5}', encoding="utf-8")
    for given, wanted in (([], "rtog-0813"), (["--goals", "tg-101"], "tg-101")):
        arguments = [str(dicom_folder), "-o", str(tmp_path / wanted), *given]
        done = predict_case(argument_parser().parse_args(arguments), PromptPredictor)
        assert f"[{wanted}]" in capsys.readouterr().out
        assert {result.goal.source for result in done.goals} <= {goal.source for goal in bundled_goals(wanted).goals}
        written = (tmp_path / wanted / "goals.csv").read_text(encoding="utf-8")
        assert ("RTOG 0813" in written) == (wanted == "rtog-0813")


def test_where_no_system_is_named_the_default_one_predicts(case: Path, tmp_path: Path, monkeypatch) -> None:
    chosen = []

    def noted(run: object, model: ModelChoice) -> None:
        chosen.append(model)
        raise InputError("that is all")

    monkeypatch.setattr(PredictionRun, "use_model", noted)
    with pytest.raises(InputError, match="that is all"):
        predict_case(argument_parser().parse_args([str(case), "-o", str(tmp_path / "out")]))
    assert chosen[0].system == "default"


def test_a_scene_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    phantom_nodes()
    with pytest.raises(InputError, match="Cannot write"):
        write_scene(tmp_path / "missing" / "scene.mrb")
    assert list(tmp_path.iterdir()) == []


def test_a_scene_held_for_a_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, refusals = os.replace, [PermissionError(13, "Access is denied")] * 2

    def replaced(source: str | Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(whole_file, "_WINDOWS", True)
    phantom_nodes()
    write_scene(tmp_path / "scene.mrb")
    assert os.listdir(tmp_path) == ["scene.mrb"] and not refusals


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    # From elsewhere and without the repository on the path: the script finds its own packages.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd="/", env=environment, capture_output=True, text=True, check=False
    )


def test_the_command_explains_itself() -> None:
    asked = run_script("--help")
    assert asked.returncode == 0
    told = " ".join(asked.stdout.split())
    for word in ("CASE", "--output", "--samples", "--goals", "Research use, not for clinical decisions.", *CONTENTS):
        assert word in told


def test_a_cases_own_folder_is_no_place_for_its_results(case: Path) -> None:
    before = {path.name: path.read_bytes() for path in case.iterdir()}
    asked = run_script(str(case), "-o", str(case))
    assert asked.returncode == 2 and "folder of a case itself" in asked.stderr
    assert {path.name: path.read_bytes() for path in case.iterdir()} == before


def test_a_case_that_is_none_ends_with_one_sentence(tmp_path: Path) -> None:
    asked = run_script(str(tmp_path / "nobody"), "-o", str(tmp_path / "out"))
    assert asked.returncode == 2
    assert "nobody" in asked.stderr
    assert "Traceback" not in asked.stderr
    assert len(asked.stderr.strip().splitlines()) == 1
