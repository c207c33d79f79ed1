"""MAGDiff as a system: draws, learning, sampling slice by slice into a volume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ball_case import ball_case
from phantom import ball_patient

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.conditioning.distance import FARTHEST_MM
from DosePredictionLib.dosimetry.slice_smoothness import slice_smoothness
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.systems import magdiff_adc
from DosePredictionLib.systems.magdiff_adc import MagdiffAdcSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.magdiff_stage import MagdiffStage
from DosePredictionLib.training.slab_draw import draw_slabs

SMALL = {"widths": [8, 12], "blocks": [1, 1], "radii": [1, 2], "features": [4, 6], "hidden": 8}
#: About the size of the published network: 128 channels, times 1 to 4 at the levels, two blocks each.
PAPER = {"widths": [128, 256, 384, 512], "blocks": [2, 2, 2, 2], "radii": [1, 2, 3, 4], "features": [32, 64, 96, 128],
         "hidden": 128, "prediction": "epsilon"}  # fmt: skip


@pytest.fixture(scope="module")
def cases():
    return [ball_case(), ball_case(4.0)]


def config(folder="", **changes) -> TrainingConfig:
    values = {
        "train": "", "validation": "", "output": str(folder), "system": "magdiff_adc", "system_config": SMALL,
        "steps": 60, "decay_steps": 20, "warmup_steps": 2, "learning_rate": 4e-3, "ema": 0.9, "threads": 1,
        "device": "cpu", "slices": 8, "turn_probability": 0.0,
    }  # fmt: skip
    return TrainingConfig(**{**values, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cases):
    """A run that has learnt the ball, and its validation score before it began."""
    run = TrainingRun(config(tmp_path_factory.mktemp("magdiff")), cases, cases[:1])
    before = run.validation_score()
    run.run()
    return run, before, load_weights(export_weights(run))


def test_it_learns_and_its_weights_file_predicts_as_the_run_does(trained, cases):
    run, before, loaded = trained
    after = run.validation_score()
    assert after < 0.4 * before
    assert loaded.header.system == "magdiff_adc" and loaded.system == run.system
    dose = loaded.system.sample_dose(loaded.network, cases[0].inputs, 2, 0)
    ours = run.stage.score(run.averaged_network(), cases[0], 0)
    error = np.abs(dose - cases[0].dose_gy.astype(np.float32))[cases[0].inputs.region].mean()
    assert error == pytest.approx(ours, abs=0.1)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_denoisers_of_noise_and_velocity_learn_too(tmp_path, cases, prediction):
    told = config(tmp_path, system_config={**SMALL, "prediction": prediction}, steps=30, decay_steps=10)
    run = TrainingRun(told, cases, cases[:1])
    batches = [run.stage.draw(cases[:1], [(0, seed)]) for seed in range(8)]

    def error() -> float:
        with torch.no_grad():
            return float(np.mean([run.stage.loss(run.network, batch).total for batch in batches]))

    before = error()
    run.run()
    assert error() < 0.8 * before
    assert np.isfinite(run.validation_score())


def test_the_papers_configuration_does_not_train_on_what_it_is_shown(cases):
    """At the last step the noise is the input: a denoiser of noise learns nothing there, so few slices may go."""
    path = Path(__file__).parents[1] / "Benchmarks" / "magdiff_adc-paper.json"
    stage = MagdiffStage(replace(TrainingConfig.read(path), canvas=None, turn_probability=0.0))
    assert stage.system.prediction == "epsilon"
    times = torch.cat([stage.draw(cases[:1], [(0, 2, number)]).time for number in range(40)])
    assert len(times) == 40 * 16 and (times == stage.system.noise_steps).float().mean() < 0.01


def test_a_slab_is_the_patient_s_own_slices_with_their_neighbours(cases):
    system = MagdiffAdcSystem(drop=0.0, **SMALL)
    inputs = cases[0].inputs
    dose = cases[0].dose_gy.astype(np.float32)
    begins = set()
    for seed in range(10):
        batch = draw_slabs(cases[:1], system, config(), 4, 2, [(seed,)])
        assert batch.clean.shape[2] == 8 and batch.anatomy.shape[2] == 12
        assert batch.clean.shape[3:] == batch.anatomy.shape[3:] == batch.region.shape[3:]
        assert all(size % 4 == 0 for size in batch.clean.shape[3:])
        dose_gy = ((batch.clean[0, 0] + 1) * batch.gy_per_unit).numpy()
        totals = dose_gy.sum(axis=(1, 2))
        # Which of the patient's slices these are, told by their total doses.
        begin = next(z for z in range(inputs.region.shape[0] - 7) if np.allclose(
            dose[z : z + 8].sum(axis=(1, 2)), totals, rtol=1e-3, atol=1.0))  # fmt: skip
        begins.add(begin)
        region = batch.anatomy[0, CHANNELS.index("region")].numpy()
        assert np.array_equal(region[2:-2] > 0, batch.region[0, 0].numpy())
        for place in range(12):
            z = begin - 2 + place
            wanted = inputs.region[z].sum() if 0 <= z < inputs.region.shape[0] else 0
            assert region[place].sum() == wanted
        assert batch.time.min() >= 1 and batch.time.max() <= 1000 and len(batch.time) == 8
    assert len(begins) > 4
    again = draw_slabs(cases[:1], system, config(), 4, 2, [(9,)])
    assert torch.equal(again.clean, batch.clean) and again.noise_seed == batch.noise_seed


def test_a_slab_upside_down_is_the_slab_mirrored_head_to_feet(cases):
    """At the patient's ends, too, where nothing lies beyond the slab on one side."""
    system = MagdiffAdcSystem(drop=0.0, **SMALL)
    ends = 0
    for seed in range(40):
        upright, turned = (draw_slabs(cases[:1], system, config(upside_down=odds), 4, 2, [(seed,)]) for odds in (0, 1))
        for one, other in ((upright.clean, turned.clean), (upright.region, turned.region),
                           (upright.anatomy, turned.anatomy)):  # fmt: skip
            assert torch.equal(one, other.flip(2))
        filled = upright.anatomy[0, CHANNELS.index("region")].flatten(1).any(dim=1)
        ends += bool(filled[0] != filled[-1])
    assert ends > 2, "slabs at an end were among them"


def test_a_slab_is_cut_from_the_stretched_patient(cases):
    """Not stretched itself: a slab has its slices whatever the build, and distances to targets beyond it stay."""
    system = MagdiffAdcSystem(drop=0.0, **SMALL)
    told = config(stretch_probability=1.0, stretch=0.1, slices=2)
    name, seen = CHANNELS.index("distance_any"), 0
    for seed in range(30):
        anatomy = draw_slabs(cases[:1], system, told, 4, 1, [(seed,)]).anatomy[0]
        if not anatomy[CHANNELS.index("prescription")].any():
            seen += 1
            assert (anatomy[name].flatten(1).amin(dim=1)[1:-1] < FARTHEST_MM / 50.0).any()
        assert anatomy.shape[1] == 4
        assert anatomy[CHANNELS.index("region")].flatten(1).any(dim=1)[1:-1].all()
    assert seen, "slabs beside the target were among them"


def test_a_patient_of_few_slices_is_padded_and_a_canvas_is_kept(cases):
    few = replace(cases[0], inputs=cases[0].inputs.cropped((20, 0, 0), (5, *cases[0].inputs.region.shape[1:])),
                  dose_gy=cases[0].dose_gy[20:25])  # fmt: skip
    system = MagdiffAdcSystem(drop=0.0, **SMALL)
    batch = draw_slabs([few], system, config(canvas=(1, 64, 32)), 4, 2, [(1,)])
    assert batch.clean.shape == (1, 1, 8, 64, 32)
    assert 0 < batch.region.sum() <= few.inputs.region.sum()
    assert (batch.region[0, 0].flatten(1).any(dim=1)).sum() == 5


def test_the_loss_counts_the_dose_region_only(cases):
    stage = MagdiffStage(config())
    batch = stage.draw(cases[:1], [(3,)])
    network = stage.build_network()
    spoilt = replace(batch, clean=torch.where(batch.region, batch.clean, torch.full_like(batch.clean, 5.0)))
    one, other = (stage.loss(network, drawn).logged["loss_gy"] for drawn in (batch, spoilt))
    # Outside, only what the denoiser sees changes, not what is asked of it; a fresh one says the same of anything.
    assert float(one) == pytest.approx(float(other), rel=1e-6)


def test_a_dose_is_zero_outside_its_region_repeats_and_fits_the_grid(trained, cases, monkeypatch):
    _, _, loaded = trained
    inputs, steps = cases[0].inputs, []
    dose = loaded.system.sample_dose(loaded.network, inputs, 3, 5, steps.append)
    assert steps == [1, 2, 3]
    assert dose.shape == inputs.region.shape and dose.dtype == np.float32
    assert dose.min() >= 0 and not dose[~inputs.region].any()
    assert dose.max() <= 1.2 * inputs.prescription_gy + 1e-3
    high = dose[(dose > 0.5 * dose.max()) & (dose < dose.max())]
    assert len(np.unique(high)) > 0.9 * len(high), "not rounded to bfloat16"
    assert np.array_equal(dose, loaded.system.sample_dose(loaded.network, inputs, 3, 5))
    assert not np.array_equal(dose, loaded.system.sample_dose(loaded.network, inputs, 3, 6))
    # However many slices go through the network together, there is no seam.
    monkeypatch.setattr(magdiff_adc, "SLICES_AT_ONCE", 7)
    assert np.abs(loaded.system.sample_dose(loaded.network, inputs, 3, 5) - dose).max() < 0.6  # bfloat16


def test_noise_that_changes_slowly_along_the_patient_leaves_fewer_jumps(trained, cases):
    _, _, loaded = trained
    inputs, clinical = cases[0].inputs, cases[0].dose_gy.astype(np.float32)
    jumps = []
    for length_mm in (0.0, 15.0):
        system = replace(loaded.system, noise_length_mm=length_mm)
        dose = system.sample_dose(loaded.network, inputs, 4, 0)
        jumps.append(slice_smoothness(dose, clinical, inputs.region).error_jump_gy)
    assert jumps[1] < 0.8 * jumps[0]


def test_the_engine_predicts_with_it(tmp_path, trained):
    run, _, loaded = trained
    engine = PredictionEngine("magdiff_adc", loaded.path, "cpu")
    predicted = engine.predict(ball_patient(), PredictionOptions(samples=2, steps=2))
    assert predicted.provenance.system == "magdiff_adc"
    assert predicted.dose_std is not None and predicted.dose_std.array.max() > 0
    high = ball_patient().structures[1].mask.array > 0
    assert 45 < predicted.dose.array[high].mean() < 75


def test_the_published_size_can_be_built():
    with torch.device("meta"):
        network = system_from_config("magdiff_adc", PAPER).build_network()
    assert 30e6 < sum(parameter.numel() for parameter in network.parameters()) < 120e6
    small = MagdiffAdcSystem().build_network()
    megabytes = 2 * sum(parameter.numel() for parameter in small.parameters()) / 1e6
    assert megabytes < 10


def test_a_wrong_prediction_and_missing_weights_are_explained(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="x0"):
        system_from_config("magdiff_adc", {"prediction": "tea"})
    (tmp_path / "Models").mkdir()
    monkeypatch.setenv("DOSE_PREDICTION_RESOURCES", str(tmp_path))
    with pytest.raises(InputError, match="magdiff_adc.*--weights"):
        default_weights("magdiff_adc")
