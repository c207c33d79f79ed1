"""The script that looks at modalities other than the dose, and the release of such weights."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from any_to_any_run import SMALL
from phantom import ball_patient

from DosePredictionLib.cli.main import main
from DosePredictionLib.inference.weights import load_weights, save_weights
from DosePredictionLib.inference.weights_header import WeightsHeader
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.systems.registry import system_from_config

SCRIPT = Path(__file__).resolve().parents[1] / "Benchmarks" / "other_modalities.py"


@pytest.fixture(scope="module")
def script() -> dict:
    return runpy.run_path(str(SCRIPT))


def test_figures_of_a_ct_are_those_of_the_voxels(script):
    own = np.full((20, 20, 20), 0.0, np.float32)
    cord = np.zeros(own.shape, bool)
    cord[:, 10, 10] = True
    mandible = np.zeros(own.shape, bool)
    mandible[5:8, 2:4, 5:15] = True
    own[mandible] = 900.0
    own[:, :, :2] = -1000.0  # air, a tenth
    region = np.ones(own.shape, bool)
    perfect = dict(zip(script["CT_COLUMNS"], script["ct_figures"](own, own, region, mandible, cord, (4.0, 4.0, 2.0)),
                       strict=True))  # fmt: skip
    assert perfect["CT: mean absolute error, HU"] == 0.0
    assert perfect["CT: air, %"] == perfect["air in the patient's, %"] == pytest.approx(10.0)
    assert perfect["CT: bone, %"] == pytest.approx(100 * mandible.sum() / own.size)
    assert perfect["CT: mean in the mandible, HU"] == pytest.approx(900.0)
    water = np.zeros_like(own)
    water[:, 9, 10] = 300.0  # one of the columns within 15 mm of the cord
    made = dict(zip(script["CT_COLUMNS"], script["ct_figures"](water, own, region, mandible, cord, (4.0, 4.0, 2.0)),
                    strict=True))  # fmt: skip
    offsets = np.arange(-3, 4) * 4.0
    near = sum(np.hypot(a, b) <= 15.0 for a in offsets for b in offsets) - 1
    assert made["CT: mean around the spinal cord, HU"] == pytest.approx(300.0 / near, rel=1e-5)
    assert made["CT: mean in the mandible, HU"] == 0.0 and made["CT: air, %"] == 0.0
    without = script["ct_figures"](own, own, region, np.zeros_like(mandible), np.zeros_like(cord), (4.0, 4.0, 2.0))
    assert np.isnan(without[5:9]).all() and not np.isnan(without[:5]).any()


def test_dice_of_masks(script):
    a, b = np.zeros(10, bool), np.zeros(10, bool)
    assert script["dice"](a, b) == 1.0
    a[:4], b[2:6] = True, True
    assert script["dice"](a, b) == pytest.approx(2 * 2 / 8)


def test_weights_are_measured_and_released_with_a_card_of_their_own(tmp_path, monkeypatch, capsys):
    torch.manual_seed(0)
    system = system_from_config("diffkt3d", SMALL)
    header = WeightsHeader(system="diffkt3d", config=json.loads(json.dumps(system.__dict__)), training={
        "stage": "any-to-any", "data": "nothing", "steps": 0})  # fmt: skip
    weights = tmp_path / "any.safetensors"
    save_weights(system.build_network().state_dict(), header, weights)
    write_patient_folder(ball_patient(), tmp_path / "cases" / "ball")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / "cases"), "--weights", str(weights), "--samples", "2",
                                      "--steps", "1", "--output", str(tmp_path / "out")])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0 and (tmp_path / "out" / "ct.png").stat().st_size > 5000
    rows = (tmp_path / "out" / "modalities.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["patient", "ball", "mean"]
    summary = tmp_path / "out" / "summary.json"
    released = tmp_path / "released" / "diffkt3d.safetensors"
    assert main(["release", str(weights), "--summary", str(summary), "--data", "one ball", "-o", str(released)]) == 0
    loaded = load_weights(released).header
    assert loaded.recommended == {"samples": 2, "steps": 1} and loaded.validation["target"] == "ct"
    card = released.with_suffix(".md").read_text()
    assert "nobody's anatomy" in card and "Research use, not for clinical decisions" in card
    figures = json.loads(summary.read_text())["figures"]
    assert f"| CT: mean absolute error, HU | {figures['CT: mean absolute error, HU']:.2f} |" in card
    # Figures of other weights are refused.
    save_weights(system.build_network().state_dict(), header, weights)
    assert main(["release", str(weights), "--summary", str(summary), "--data", "x", "-o", str(released)]) == 2
    assert "was made with other weights" in capsys.readouterr().err
