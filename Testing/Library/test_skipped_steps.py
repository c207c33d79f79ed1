"""Losses that are not a number: nothing of them stays in the network, they are counted, and many end the run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from ball_case import ball_case
from test_training import config
from torch import nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.training.curve_lines import add_to_curves, curve_records
from DosePredictionLib.training.curves import draw_curves
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.skipped_steps import MOST_IN_A_ROW
from DosePredictionLib.training.stage import StageLoss


@pytest.fixture(scope="module")
def cases():
    return [ball_case()]


class WithBatchNorm:
    """A stage whose network has a batch norm and whose loss is not a number at some steps."""

    score_name = "validation_dose_score_gy"
    channels = ("ct",)

    def __init__(self, bad_steps):
        self.bad_steps, self.drawn = bad_steps, 0

    def build_network(self):
        return nn.Sequential(nn.Conv3d(1, 2, 1), nn.BatchNorm3d(2))

    def draw(self, cases, seeds):
        values = torch.randn(2, 1, 3, 3, 3, generator=torch.Generator().manual_seed(seeds[0][-1]))
        step = seeds[0][-1] // len(seeds)
        return StageLoss(values * (torch.nan if step in self.bad_steps else 1.0), {})

    def loss(self, network, batch):
        error = network(batch.total).float().square().mean()
        return StageLoss(error, {"loss_gy": error.detach()})

    def release_state(self, average):
        return average


def run_with(monkeypatch, folder, cases, bad_steps, **changes) -> TrainingRun:
    from DosePredictionLib.training import loop

    monkeypatch.setattr(loop, "stage_of", lambda _: WithBatchNorm(bad_steps))
    return TrainingRun(config(folder, **{"steps": 50, **changes}), cases, [])


def test_a_loss_that_is_not_a_number_leaves_weights_and_statistics_as_they_were(tmp_path, cases, monkeypatch):
    run = run_with(monkeypatch, tmp_path, cases, {3})
    run.run(until=3)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    run.run(until=4)
    for name, value in run.network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(torch.isfinite(value).all() for value in run.average.values())
    run.run(until=5)
    assert not torch.equal(run.network[1].running_mean, before["1.running_mean"])


def test_skipped_steps_are_counted_across_a_stop(tmp_path, cases, monkeypatch):
    whole = run_with(monkeypatch, tmp_path / "whole", cases, {3, 7, 30})
    whole.run()
    (record,) = curve_records(tmp_path / "whole" / "curves.jsonl")
    assert record["skipped_steps"] == 3 and 0.0 < record["loss_gy"] < 10.0, "means are of the steps that were taken"
    run_with(monkeypatch, tmp_path / "parts", cases, {3, 7, 30}).run(until=5)
    resumed = run_with(monkeypatch, tmp_path / "parts", cases, {3, 7, 30})
    resumed.run()
    assert resumed.skipped.total == whole.skipped.total == 3
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    assert read_weights_header(export_weights(resumed)).training["skipped_steps"] == 3


def test_many_in_a_row_end_the_run_in_one_sentence(tmp_path, cases, monkeypatch):
    run = run_with(monkeypatch, tmp_path, cases, range(8, 50), checkpoint_every=8)
    with pytest.raises(InputError, match=f"not a number in {MOST_IN_A_ROW} steps in a row, up to step 28.*lower"):
        run.run()
    assert run_with(monkeypatch, tmp_path, cases, ()).step == 24, "of the last checkpoint"


def test_curves_are_json_whatever_the_figures_are(tmp_path):
    def refused(constant):
        raise AssertionError(f"{constant} is no JSON")

    curves = tmp_path / "curves.jsonl"
    for step, value in ((1, float("nan")), (2, float("inf")), (3, 2.5)):
        add_to_curves(curves, {"step": step, "hours": 0.1, "loss_gy": value, "clinical_gy": float("nan")})
    lines = [json.loads(line, parse_constant=refused) for line in curves.read_text().splitlines()]
    assert [line["loss_gy"] for line in lines] == [None, None, 2.5]
    drawn = draw_curves(tmp_path)
    assert drawn is None or drawn.stat().st_size > 1000


def test_an_infinite_loss_is_skipped_though_its_gradient_is_finite(tmp_path, cases, monkeypatch):
    run = run_with(monkeypatch, tmp_path, cases, ())
    honest, before = run.stage.loss, run.network[0].weight.clone()
    monkeypatch.setattr(run.stage, "loss", lambda *seen: replace(honest(*seen), total=honest(*seen).total + torch.inf))
    run.run(until=1)
    assert run.skipped.total == 1 and torch.equal(run.network[0].weight, before)
