"""The training loop: learns, resumes exactly, augments without telling lies."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ball_case import ball_case
from phantom import AXIAL, ball_patient, points_mm
from tiny import TINY

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.dosimetry.openkbp_score import dvh_differences
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.training.augmentation import Turn, turned
from DosePredictionLib.training.case_cache import TrainingCase, load_case, save_case, training_case
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.draw import draw_batch
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.losses import ScoredStructure, dose_error_gy, dvh_errors_gy, structure_doses
from DosePredictionLib.training.step_draws import StepDraws


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(3.0), ball_case(-3.0)]


def config(folder, **changes) -> TrainingConfig:
    values = {
        "train": "", "validation": "", "output": str(folder), "system_config": TINY, "steps": 12, "decay_steps": 4,
        "checkpoint_every": 4, "validate_every": 6, "warmup_steps": 2, "threads": 1, "device": "cpu", "batch": 2,
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_stopped_and_resumed_run_equals_one_that_was_not(tmp_path, cases, optimiser):
    whole = TrainingRun(config(tmp_path / "whole", optimiser=optimiser), cases, cases[:1])
    whole.run()
    TrainingRun(config(tmp_path / "parts", optimiser=optimiser), cases, cases[:1]).run(until=5)
    resumed = TrainingRun(config(tmp_path / "parts", optimiser=optimiser), cases, cases[:1])
    assert resumed.step == 5
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_a_run_goes_on_with_another_optimiser(tmp_path, cases):
    begun = TrainingRun(config(tmp_path), cases, cases[:1])
    begun.run(until=4)
    run = TrainingRun(config(tmp_path, optimiser="muon"), cases, cases[:1])
    assert run.step == 4
    assert all(torch.equal(value, begun.network.state_dict()[name]) for name, value in run.network.state_dict().items())
    run.run()
    after = run.network.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    assert not torch.equal(after["head.weight"], begun.network.state_dict()["head.weight"])


def test_a_gradient_that_is_not_a_number_spoils_nothing(tmp_path, cases, monkeypatch):
    run = TrainingRun(config(tmp_path), cases, cases[:1])
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    honest = run.stage.loss
    with monkeypatch.context() as patched:
        patched.setattr(run.stage, "loss", lambda *seen: replace(honest(*seen), total=honest(*seen).total * np.nan))
        run.run(until=1)
    assert all(torch.equal(value, before[name]) for name, value in run.network.state_dict().items())
    run.run(until=2)
    after = run.network.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in after.items())
    assert all(torch.isfinite(value).all() for value in after.values())


def test_training_lowers_the_error(tmp_path, cases):
    told = config(
        tmp_path, steps=30, decay_steps=10, learning_rate=3e-3, ema=0.9, checkpoint_every=15, validate_every=15
    )
    run = TrainingRun(told, cases, cases)
    before = run.validation_score()
    run.run()
    assert run.validation_score() < 0.7 * before
    records = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert {"step", "hours", "learning_rate"} <= set(records[0])
    assert any("validation_dose_score_gy" in record for record in records)


def test_the_average_follows_at_first_and_then_forgets_as_slowly_as_configured(tmp_path, cases):
    """Of the weights that a run begins with, little is left after a few steps, whatever the configuration says."""
    run = TrainingRun(config(tmp_path, ema=0.99), cases, cases[:1])
    name, weight = next(iter(run.network.named_parameters()))
    for step, share in ((0, 19 / 20), (10, 19 / 30), (100_000, 0.01)):
        run.step = step
        with torch.no_grad():
            weight.fill_(1.0)
            run.average[name].zero_()
        run._update_average()
        assert float(run.average[name].mean()) == pytest.approx(share, rel=1e-4), step


def test_every_pass_sees_all_cases_in_an_order_and_with_draws_of_the_seed(tmp_path, cases):
    """Two seeds are two runs, not one twice; all random numbers of a run are its own."""

    class Watching:
        def draw(self, drawn, seeds):
            return [[place for case in drawn for place, one in enumerate(cases) if one is case], seeds]

    orders, draws = {}, {}
    for seed in (0, 1):
        shown = StepDraws(config(tmp_path, batch=3, steps=100, seed=seed), cases, Watching(), Watching())
        batches = [shown.of_step(step) for step in range(12)]
        orders[seed] = [order for order, _ in batches]
        draws[seed] = {one for _, seeds in batches for one in seeds}
        assert all(sorted(order) == [0, 1, 2] for order in orders[seed])
        assert len({tuple(order) for order in orders[seed]}) > 1, "another order in each pass"
        assert len(draws[seed]) == 36, "no draw twice"
    assert orders[0] != orders[1] and not draws[0] & draws[1]


def test_exported_weights_predict_as_the_run_does(tmp_path, cases):
    run = TrainingRun(config(tmp_path), cases, cases[:1])
    run.run(until=6)
    loaded = load_weights(export_weights(run))
    assert loaded.header.training["steps"] == 6
    ours = run.averaged_network().state_dict()
    for name, value in loaded.network.state_dict().items():
        assert torch.allclose(value, ours[name], atol=1e-3, rtol=1e-3), name


def test_the_learning_rate_warms_up_stays_and_falls_to_zero():
    rates = [config("", steps=100, decay_steps=20, warmup_steps=10).learning_rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[10:80] == pytest.approx([1e-3] * 70)
    assert rates[90] == pytest.approx(5e-4)
    assert rates[100] == 0.0


def test_a_case_survives_the_cache(tmp_path, cases):
    save_case(cases[0], tmp_path / "case.npz")
    again = load_case(tmp_path / "case.npz")
    assert np.array_equal(again.inputs.channels, cases[0].inputs.channels)
    assert np.array_equal(again.dose_gy, cases[0].dose_gy)
    assert again.inputs.names == CHANNELS
    assert again.inputs.geometry.is_close(cases[0].inputs.geometry)


def draw(case, seed, **changes):
    told = config("", **{"turn_probability": 0.0, **changes})
    return draw_batch([case], DefaultSystem(drop=0.0), told, 16, [(seed,)])


def test_runs_share_conditioned_cases(tmp_path, monkeypatch):
    """The second run of a comparison finds the patients that the first one conditioned."""
    from DosePredictionLib.training import case_cache

    folder = resource_path("SampleData")
    told = config(tmp_path / "one", train=str(folder), validation=str(folder), cache=str(tmp_path / "shared"))
    first = TrainingRun(told)
    assert not (tmp_path / "one" / "cache").exists() and len(list((tmp_path / "shared" / "train").iterdir())) == 1

    def again(*_arguments):
        raise AssertionError("conditioned again")

    monkeypatch.setattr(case_cache, "training_case", again)
    second = TrainingRun(replace(told, output=str(tmp_path / "two")))
    assert [case.identifier for case in second.cases] == [case.identifier for case in first.cases]
    assert np.array_equal(second.cases[0].dose_gy, first.cases[0].dose_gy)
    with pytest.raises(AssertionError):
        TrainingRun(replace(told, output=str(tmp_path / "three"), cache=None))


@pytest.mark.parametrize("turn_probability", [0.0, 1.0])
def test_a_draw_moves_channels_and_dose_together(cases, turn_probability):
    seen = set()
    for seed in range(12):
        batch = draw(cases[0], seed, turn_probability=turn_probability)
        high = batch.conditions[0, CHANNELS.index("prescription")] == 1.0
        dose_gy = (batch.clean[0, 0] + 1) * batch.gy_per_unit
        # The dose is highest in the middle of the high target, wherever both were moved, turned or mirrored to.
        peak = np.array(np.unravel_index(int(dose_gy.argmax()), dose_gy.shape))
        middle = torch.nonzero(high).float().mean(dim=0).numpy()
        assert np.abs(peak - middle).max() < 1.5
        left = torch.nonzero(batch.conditions[0, CHANNELS.index("Parotid_L")]).float().mean(dim=0)
        right = torch.nonzero(batch.conditions[0, CHANNELS.index("Parotid_R")]).float().mean(dim=0)
        if not turn_probability:
            assert left[2] > right[2], "left stays left when the patient is mirrored"
        assert dose_gy[~batch.region[0, 0]].abs().max() == 0
        assert all(size % 16 == 0 for size in dose_gy.shape)
        seen.add(tuple(peak))
    assert len(seen) > 3
    same = draw(cases[0], 5), draw(cases[0], 5)
    assert torch.equal(same[0].clean, same[1].clean) and same[0].noise_seed == same[1].noise_seed


def test_the_last_steps_turn_nobody(tmp_path, cases):
    changes = {"batch": 1, "turn_probability": 1.0, "validation_cases": 1}
    ending = TrainingRun(config(tmp_path / "ending", **changes, unturned_steps=2), cases, cases[:1])
    turning = TrainingRun(config(tmp_path / "turning", **changes), cases, cases[:1])
    lying = TrainingRun(config(tmp_path / "lying", **{**changes, "turn_probability": 0.0}), cases, cases[:1])
    runs = ending, turning, lying
    seen, turned, still = ([float(batch.clean.sum()) for batch in run.draws.of_steps(0, 12)] for run in runs)
    assert seen == turned[:10] + still[10:]
    assert not set(turned) & set(still)


def test_names_of_paired_organs_can_stay_with_mirrored_patients(cases):
    """Half of the draws then have the organ named left on the patient's right; dose and targets go along as ever."""
    left = CHANNELS.index("Parotid_L")
    size = cases[0].inputs.channels[left].sum(), cases[0].inputs.channels[CHANNELS.index("Parotid_R")].sum()
    assert size[0] != size[1], "the two can be told apart"
    sides = []
    for seed in range(16):
        batch = draw(cases[0], seed, names_kept=True)
        assert float(batch.conditions[0, left].sum()) == size[0]
        middle = torch.nonzero(batch.conditions[0, CHANNELS.index("prescription")] == 1.0).float().mean(dim=0)
        sides.append(bool(torch.nonzero(batch.conditions[0, left]).float().mean(dim=0)[2] > middle[2]))
        peak = np.unravel_index(int(batch.clean[0, 0].argmax()), batch.clean.shape[2:])
        assert np.abs(np.array(peak) - middle.numpy()).max() < 1.5
    assert 3 < sum(sides) < 13


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_draw_can_be_upside_down(cases, probability):
    """The dose goes with the anatomy, and the head to the feet."""
    inputs = cases[0].inputs.cropped((0, 0, 0), (len(cases[0].dose_gy) - 8, *cases[0].inputs.region.shape[1:]))
    case = TrainingCase("cut", inputs, cases[0].dose_gy[:-8])
    batch = draw(case, 4, upside_down=probability)
    dose_gy = ((batch.clean[0, 0] + 1) * batch.gy_per_unit).numpy()
    layers = dose_gy.sum(axis=(1, 2))
    wanted = case.dose_gy.astype(np.float32).sum(axis=(1, 2))
    wanted = wanted[::-1] if probability else wanted
    found = np.flatnonzero(layers > 0)
    assert np.allclose(layers[found[0] : found[-1] + 1], wanted[wanted > 0], rtol=1e-3)
    assert not np.allclose(wanted, wanted[::-1], rtol=0.1), "the cut case is no mirror image of itself"


def test_draws_can_be_turned_by_quarters(cases):
    """Each of the three quarters comes up, dose and anatomy go along, and no dose is interpolated."""
    doses = np.sort(cases[0].dose_gy[cases[0].dose_gy > 1.0].astype(np.float32))
    found = set()
    for seed in range(16):
        batch = draw(cases[0], seed, quarter_turns=1.0)
        dose_gy = ((batch.clean[0, 0] + 1) * batch.gy_per_unit).numpy()
        assert np.allclose(np.sort(dose_gy[dose_gy > 1.0]), doses, rtol=1e-3)
        middle = np.argwhere(batch.conditions[0, CHANNELS.index("prescription")].numpy() == 1.0).mean(axis=0)
        peak = np.array(np.unravel_index(int(dose_gy.argmax()), dose_gy.shape))
        assert np.abs(peak - middle).max() < 1.5
        cord = np.argwhere(batch.conditions[0, CHANNELS.index("SpinalCord")].numpy() > 0.5).mean(axis=0)
        found.add(tuple(np.sign(np.round((cord - middle)[1:] / 20.0))))
    assert found == {(0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)}, "(y, x); the cord of a patient as it lies is (1, 0)"


def test_a_canvas_gives_every_batch_its_shape_and_keeps_what_fits(cases):
    small, large = draw(cases[0], 1, canvas=(16, 16, 16)), draw(cases[0], 1, canvas=(64, 96, 96))
    assert small.clean.shape == (1, 1, 16, 16, 16) and large.clean.shape == (1, 1, 64, 96, 96)
    assert large.region.sum() == cases[0].inputs.region.sum()
    assert 0 < small.region.sum() < large.region.sum()


def test_the_loss_is_the_dose_score():
    generator = torch.Generator().manual_seed(0)
    predicted, clean = (torch.rand(2, 1, 4, 5, 6, generator=generator) for _ in range(2))
    region = torch.rand(2, 1, 4, 5, 6, generator=generator) > 0.5
    units = torch.tensor([35.0, 30.0])
    wanted = np.mean([float((predicted - clean).abs()[i][region[i]].mean() * units[i]) for i in range(2)])
    assert dose_error_gy(predicted, clean, region, units) == pytest.approx(wanted)


@pytest.mark.parametrize("spacing_mm", [(2.0, 2.0, 5.0), (3.906, 3.906, 2.5)])
def test_the_dvh_terms_are_those_of_the_benchmark(spacing_mm):
    random = np.random.default_rng(3)
    predicted, clean = random.uniform(0, 70, (2, 1, 6, 7, 8)), random.uniform(0, 70, (2, 1, 6, 7, 8))
    masks = random.random((2, 2, 6, 7, 8)) > 0.6  # of two patients: a target and an organ
    voxel_cc = np.prod(spacing_mm) / 1000  # 0.1 cc are 5 voxels, or 3 (2.6)
    structures = [[ScoredStructure(np.flatnonzero(masks[i, 0]), True, voxel_cc),
                   ScoredStructure(np.flatnonzero(masks[i, 1]), False, voxel_cc)] for i in range(2)]  # fmt: skip
    rows = structure_doses(structures, [clean[i, 0].astype(np.float32) for i in range(2)], [35.0, 30.0])
    units = np.array([35.0, 30.0])[:, None, None, None, None]
    curve, criteria = dvh_errors_gy(torch.tensor(predicted / units - 1, dtype=torch.float32), rows)
    wanted, areas = [], []
    for i in range(2):
        named = {"PTV70": masks[i, 0], "Brainstem": masks[i, 1]}
        wanted += [gy for gy in dvh_differences(predicted[i, 0], clean[i, 0], named, spacing_mm).values() if gy == gy]
        areas += [np.abs(np.sort(predicted[i, 0][mask]) - np.sort(clean[i, 0][mask])).mean() for mask in masks[i]]
    assert len(wanted) == 10
    assert float(curve) == pytest.approx(np.mean(areas), rel=1e-4)
    assert float(criteria) == pytest.approx(np.mean(wanted), rel=1e-3)


def test_the_dvh_terms_have_the_gradient_of_finite_differences():
    random = np.random.default_rng(4)
    predicted = torch.tensor(random.uniform(-1, 1, (1, 1, 3, 3, 3)), requires_grad=True)
    clean = random.uniform(0, 70, (3, 3, 3)).astype(np.float32)
    both = [ScoredStructure(np.arange(11), True, 0.03), ScoredStructure(np.arange(9, 27), False, 0.03)]
    rows = structure_doses([both], [clean], [35.0])
    for term in (0, 1):
        assert torch.autograd.gradcheck(lambda x, term=term: dvh_errors_gy(x, rows)[term].double(), (predicted,),
                                        eps=1e-4, atol=2e-2, rtol=2e-2)  # fmt: skip


def test_a_turn_keeps_volumes_doses_and_distances(cases):
    turn = Turn(angle_degrees=30.0, enlarge=1.1)
    new, old = turned(cases[0], turn), cases[0]
    for name in ("prescription", "Parotid_L", "region"):
        index = CHANNELS.index(name)
        volumes = [(one.inputs.channels[index] > 0.5).sum() * one.inputs.geometry.voxel_volume_cc for one in (new, old)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.06), name
        doses = [one.dose_gy[one.inputs.channels[index] > 0.5].astype(float).mean() for one in (new, old)]
        assert doses[0] == pytest.approx(doses[1], rel=0.02), name
    assert new.inputs.scalars[0] == pytest.approx((1 + old.inputs.scalars[0]) / 1.1 - 1, abs=1e-6)
    # Where the left parotid lies, it is as far from the target as it was.
    index, organ = CHANNELS.index("distance_high"), CHANNELS.index("Parotid_L")
    far = [50 * one.inputs.channels[index][one.inputs.channels[organ] > 0.5].astype(float).mean() for one in (new, old)]
    assert far[0] == pytest.approx(far[1], abs=1.0)

    # Left of the middle, thirty degrees towards posterior: where a rotation about +z (LPS) takes the left parotid.
    def place(one):
        found = np.argwhere(one.inputs.channels[CHANNELS.index("Parotid_L")] > 0.5).mean(axis=0)
        centre = np.argwhere(one.inputs.channels[CHANNELS.index("region")] > 0.5).mean(axis=0)
        return ((found - centre) * np.asarray(one.inputs.geometry.spacing_mm)[::-1])[:0:-1]

    angle = np.radians(30.0)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert place(new) == pytest.approx(rotation @ place(old), abs=2.0)


def test_two_processes_share_a_training(tmp_path):
    """Distributed over two processor processes, a step is the mean of both patients' gradients."""
    from DosePredictionLib.patient.writer_folder import write_patient_folder

    for index in range(2):
        distance = np.linalg.norm(points_mm(AXIAL) - (8.0, -10.0, 4.0), axis=-1)
        patient = ball_patient()
        dose = (60.0 + index) * np.exp(-((distance / 40.0) ** 2)) * (patient.structures[0].mask.array > 0)
        patient = replace(patient, identifier=f"case{index}", reference_dose=Volume(dose.astype(np.float32), AXIAL))
        write_patient_folder(patient, tmp_path / "train" / patient.identifier)
    told = config(tmp_path / "two", train=str(tmp_path / "train"), validation=str(tmp_path / "train"), steps=2, batch=1)
    (tmp_path / "run.json").write_text(json.dumps(asdict(told)))
    ran = subprocess.run(
        [sys.executable, "-m", "DosePredictionLib", "train", str(tmp_path / "run.json"), "--devices", "2", "--strategy",
         "ddp"], capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    together = load_weights(tmp_path / "two" / "weights.safetensors").network.state_dict()
    alone = TrainingRun(replace(told, output=str(tmp_path / "one"), batch=2))
    alone.run()
    for name, value in alone.averaged_network().state_dict().items():
        assert torch.allclose(value, together[name], atol=2e-3), name


def test_a_case_without_dose_is_refused():
    with pytest.raises(InputError, match="no reference dose"):
        training_case(ball_patient(), CHANNELS)


@pytest.mark.parametrize(
    ("text", "complaint"), [("{", "not valid JSON"), ('{"train": "a"}', "missing or unknown"), ('{"tea": 1}', "tea")]
)
def test_a_bad_configuration_is_explained(tmp_path, text, complaint):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint):
        TrainingConfig.read(path)
    with pytest.raises(InputError, match="Cannot read"):
        TrainingConfig.read(tmp_path / "none.json")
