"""The benchmark scripts that show trained weights something other than a patient as it is."""

from __future__ import annotations

import re
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient
from tiny import tiny_weights

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, model_input
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three patients at 20 Gy but for the right parotid, which has 3 Gy more and is nearer or farther."""
    folder = tmp_path_factory.mktemp("patients")
    for index, aside_mm in enumerate((-40.0, -48.0, -56.0)):
        patient = ball_patient()
        right = ball(AXIAL, (aside_mm, 4.0, 18.0), 11.0)
        structures = tuple(
            replace(one, mask=right) if one.standard_name == "Parotid_R" else one for one in patient.structures
        )
        dose = Volume((20.0 + 3.0 * right.array).astype(np.float32), AXIAL)
        name = f"ball-{index}"
        write_patient_folder(
            replace(patient, identifier=name, structures=structures, reference_dose=dose), folder / name
        )
    return folder


def run(script, monkeypatch, capsys, *arguments, code=0):
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(BENCHMARKS / script), run_name="__main__")
    assert stopped.value.code == code
    return capsys.readouterr().out


def test_plans_that_favour_a_side_are_found_at_any_distance_from_the_targets(folder, tmp_path, monkeypatch, capsys):
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    monkeypatch.setattr(
        PredictionEngine, "sampled_dose", lambda self, inputs, samples: np.full(inputs.region.shape, 20.0, np.float32)
    )
    told = run("left_and_right.py", monkeypatch, capsys, folder, "--weights", weights, "--cache", tmp_path / "cache")
    assert "3 patients with both" in told
    found = float(re.search(r"at equal distance\s+([+-][\d.]+) ±", told)[1])
    assert found == pytest.approx(3.0, abs=0.15)  # a little less: the network's grid mixes in voxels beside the organ
    errors = {organ: float(value) for organ, value in re.findall(r"(Parotid_.), .*clinical\s+([+-][\d.]+)", told)}
    # The prediction below has 20 Gy everywhere.
    assert errors == {"Parotid_R": pytest.approx(-3.0, abs=0.15), "Parotid_L": pytest.approx(0.0, abs=0.01)}


def test_a_line_needs_three_patients(folder, tmp_path, monkeypatch, capsys):
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    options = ("--weights", weights, "--cache", tmp_path / "cache", "--patients", 2)
    assert run("left_and_right.py", monkeypatch, capsys, folder, *options, code=2) == ""


def test_each_part_that_is_taken_away_is_tested_against_the_whole(folder, tmp_path, monkeypatch, capsys):
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    told = run(
        "without_inputs.py", monkeypatch, capsys, folder, "--weights", weights, "--cache", tmp_path / "cache",
        "--patients", 2, "--samples", 1,
    )  # fmt: skip
    assert "2 patients:" in told
    scores = {name: float(value) for name, value in re.findall(r"^  (\D+?)\s+([\d.]+) Gy", told, flags=re.MULTILINE)}
    assert list(scores) == ["whole", "no CT", "no beams", "no organs at risk"]
    assert len(set(scores.values())) == 4, "an untrained network answers to each of its inputs"
    assert told.count("p = ") == 3


def test_only_the_organs_are_taken_away(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])
    without_organs = runpy.run_path(str(BENCHMARKS / "without_inputs.py"))["without_organs"]
    inputs = model_input(ball_patient())
    left = without_organs(inputs)
    for name, before, after in zip(inputs.names, inputs.channels, left.channels, strict=True):
        if name in OAR_CHANNELS:
            assert not after.any()
        else:
            assert np.array_equal(after, before), name
    assert inputs.channels[inputs.names.index("SpinalCord")].any(), "the patient itself is left alone"


def test_the_table_of_places_has_the_means_of_one_four_and_eight_samples(folder, tmp_path, monkeypatch, capsys):
    weights, cache = tiny_weights(tmp_path / "tiny.safetensors"), tmp_path / "cache"
    told = run("places.py", monkeypatch, capsys, folder, "--weights", weights, "--cache", cache)
    assert "3 patients:" in told and told.count("p = ") == 3
    lines = {int(line.split()[0]): line for line in told.splitlines()[1:]}
    middle = {count: float(line.split("middle ")[1].split()[0]) for count, line in lines.items()}
    assert list(middle) == [1, 4, 8]
    whole = run(
        "without_inputs.py", monkeypatch, capsys, folder, "--weights", weights, "--cache", cache, "--samples", 4
    )
    assert middle[4] == pytest.approx(float(whole.split("whole")[1].split()[0]), abs=2e-3)


def test_a_table_of_places_needs_weights_that_can_be_placed(folder, tmp_path, monkeypatch, capsys):
    options = ("--system", "magdiff_adc", "--cache", tmp_path / "cache")
    assert run("places.py", monkeypatch, capsys, folder, *options, code=2) == ""
