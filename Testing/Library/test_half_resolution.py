"""The table of long runs at half the resolution."""

from __future__ import annotations

import csv
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, model_input
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.training import loop
from DosePredictionLib.training.case_cache import TrainingCase
from DosePredictionLib.training.loop import TrainingRun

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"
SCRIPT = BENCHMARKS / "half_resolution.py"


def test_a_halved_patient_keeps_its_millimetres_and_its_dose(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    halved = runpy.run_path(str(SCRIPT))["halved"]
    inputs = model_input(ball_patient())
    z, y, x = np.indices(inputs.region.shape)
    case = TrainingCase("ball", inputs, (0.5 * x + 0.25 * y).astype(np.float32) * inputs.region)
    coarse = halved(case)
    grid = coarse.inputs.geometry
    assert grid.spacing_mm == pytest.approx([2 * size for size in inputs.geometry.spacing_mm])
    for axis in ("spacing_x", "spacing_y", "spacing_z"):
        told = SCALARS.index(axis)
        assert coarse.inputs.scalars[told] + 1 == pytest.approx(2 * (inputs.scalars[told] + 1))
    # In the middle, where all eight voxels are in the region, a linear dose is halved exactly.
    middle = tuple(size // 2 for size in coarse.inputs.region.shape)
    k, j, i = middle
    assert coarse.inputs.region[middle]
    assert coarse.dose_gy[middle] == pytest.approx(0.5 * (2 * i + 0.5) + 0.25 * (2 * j + 0.5), rel=1e-4)
    # A voxel of which the region has less than half gets no dose, as everywhere outside.
    assert not coarse.inputs.region.all() and (coarse.dose_gy[~coarse.inputs.region] == 0.0).all()
    prescription, left = (coarse.inputs.channels[CHANNELS.index(name)] for name in ("prescription", "Parotid_L"))
    assert set(np.unique(prescription)) == {0.0, np.float32(0.8), 1.0}
    assert set(np.unique(left)) == {0.0, 1.0}
    fine_cc = (inputs.channels[CHANNELS.index("Parotid_L")] > 0).sum() * inputs.geometry.voxel_volume_cc
    assert left.sum() * grid.voxel_volume_cc == pytest.approx(fine_cc, rel=0.25)  # 7 cc, voxels of 0.3 cc


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Five training and three validation patients."""
    for part, count in (("train", 5), ("validation", 3)):
        for index in range(count):
            patient = replace(ball_patient(), identifier=f"{part}-{index}")
            dose = Volume((20.0 * ball(AXIAL, (0.0, 0.0, 0.0), 30.0 + index).array).astype(np.float32), AXIAL)
            write_patient_folder(replace(patient, reference_dose=dose), tmp_path / part / f"{part}-{index}")
    return tmp_path


def run_script(dataset: Path, output: Path, monkeypatch: pytest.MonkeyPatch, *only: str, few: bool = False) -> None:
    """Two steps of the rows ``only`` beside the unchanged one."""
    options = ["--train", dataset / "train", "--validation", dataset / "validation", "--output", output]
    options += ["--few"] if few else []
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--steps", "2", *map(str, options), "--only", *only])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0


def test_runs_are_compared_patient_by_patient_and_not_done_twice(dataset, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"

    def table(*only):
        run_script(dataset, output, monkeypatch, *only)
        with open(output / "table.csv", newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream)), capsys.readouterr().out

    rows, told = table("masks-alone")
    assert [row[""] for row in rows] == ["unchanged", "neither beams nor CT", "shipped weights, at full resolution"]
    assert "--- unchanged" in told and "--- masks-alone" in told
    errors = {}
    for name in ("unchanged", "masks-alone", "shipped"):
        with open(output / name / "errors.csv", newline="", encoding="utf-8") as stream:
            read = list(csv.DictReader(stream))
        assert [row["part"] for row in read] == ["validation"] * 3 + ["train"] * 2
        errors[name] = np.array([float(row["error_gy"]) for row in read if row["part"] == "validation"])
    difference = (errors["masks-alone"] - errors["unchanged"]).mean()
    assert rows[0]["validation, Gy"] == f"{errors['unchanged'].mean():.3f}"
    assert rows[1]["validation, Gy"].startswith(f"{errors['masks-alone'].mean():.3f} ({difference:+.3f}, p = ")
    assert "---" not in table("masks-alone")[1].replace("| --- | --- | --- |", "")


def test_few_patients_are_those_that_are_measured(dataset, tmp_path, monkeypatch):
    trained_on = []

    class Watched(TrainingRun):
        def __init__(self, config, train, validation):
            trained_on.append([case.identifier for case in train])
            super().__init__(config, train, validation)

    monkeypatch.setattr(loop, "TrainingRun", Watched)
    run_script(dataset, tmp_path / "few", monkeypatch, "dropout", few=True)
    with open(tmp_path / "few" / "dropout" / "errors.csv", newline="", encoding="utf-8") as stream:
        measured = [row["patient"] for row in csv.DictReader(stream) if row["part"] == "train"]
    assert trained_on == [measured, measured] and measured == ["train-0", "train-4"]
