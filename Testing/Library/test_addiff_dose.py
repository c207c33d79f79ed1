"""ADDiff-Dose: sizes of the paper, conditions that count, both stages, sampling, evaluation."""

from __future__ import annotations

import gc
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from addiff_small import SMALL, stage_config
from ball_case import ball_case
from phantom import ball_patient

from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, model_input
from DosePredictionLib.conditioning.plan_context import CONTEXT_LENGTH, plan_context
from DosePredictionLib.dosimetry.goal_reading import bundled_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.networks.lightweight_vae3d import LightweightVAE3D, WholeCT, kl_divergence
from DosePredictionLib.systems.addiff_dose import AddiffDoseSystem
from DosePredictionLib.training.addiff_stage import GOALS
from DosePredictionLib.training.case_cache import load_case, save_case
from DosePredictionLib.training.coarse_case import halved
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.constraint_masks import ConstraintMasks
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun
from DosePredictionLib.training.mixup import draw_share, mixed


def case(shift_mm: float = 0.0):
    return ball_case(shift_mm, identifier=f"ball{shift_mm}")


@pytest.fixture(scope="module")
def cases():
    return [case(), case(4.0)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cases):
    """Both stages, a few steps each."""
    folder = tmp_path_factory.mktemp("addiff")
    first = TrainingRun(stage_config(folder, "ct_vae"), cases, cases[:1])
    first.run()
    export_weights(first)
    second = TrainingRun(stage_config(folder, "dose"), cases, cases[:1])
    second.run()
    return folder, first, second, export_weights(second)


def parameters(network: torch.nn.Module) -> float:
    return sum(value.numel() for value in network.parameters()) / 1e6


def test_the_papers_size():
    with torch.device("meta"):
        system = AddiffDoseSystem()
        network, autoencoder = system.build_network(), LightweightVAE3D()
        reconstructed, mean, log_variance = autoencoder(torch.zeros(1, 1, 96, 128, 144))
    # Latent of 6 x 8 x 9 with 32 channels, from one channel to 256 and back.
    assert mean.shape == log_variance.shape == (1, 32, 6, 8, 9)
    assert reconstructed.shape == (1, 1, 96, 128, 144)
    assert [layer.out_channels for layer in autoencoder.encoder.layers if hasattr(layer, "out_channels")] == [
        32, 64, 128, 256,
    ]  # fmt: skip
    assert tuple(network.unet.block_out_channels) == (64, 128, 256, 512)
    assert network.unet.time_embed[-1].out_features == 256
    assert system.schedule.steps == 1000 and system.prediction == "epsilon"
    assert system.patch == (24, 32, 32) and system.overlap == (8, 8, 8)
    assert 190 < parameters(network) < 215
    assert 5 < parameters(autoencoder) < 6


def test_the_papers_patch_goes_through_the_papers_levels():
    # Level by level as in the paper, only narrower: 32 x 32 x 24 halves three times.
    system = AddiffDoseSystem(**{**SMALL, "widths": (4, 4, 8, 8), "attention": 2, "fold": 1})
    network = system.build_network().eval()
    step = torch.tensor([[2.5, 4.0, 4.0]])
    whole = WholeCT(torch.rand(1, 1, 32, 48, 64), torch.ones(1), step, torch.zeros(2, dtype=torch.long))
    with torch.no_grad():
        said = network(
            torch.randn(2, 1, 24, 32, 32), torch.randn(2, len(CHANNELS) - 1, 24, 32, 32), torch.tensor([1, 999]),
            torch.zeros(2, CONTEXT_LENGTH + len(SCALARS)), whole, step.expand(2, 3), torch.zeros(2, 3),
        )  # fmt: skip
    assert said.shape == (2, 1, 24, 32, 32)


def test_the_kl_divergence_is_the_normal_distributions():
    mean, spread = torch.tensor([[0.5, -1.0]]), torch.tensor([[0.3, 2.0]])
    normal = torch.distributions.Normal(mean, spread)
    wanted = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).mean()
    assert kl_divergence(mean, 2 * spread.log()) == pytest.approx(float(wanted), rel=1e-5)


def said_of(system: AddiffDoseSystem, network, **changes):
    """What an untrained but awake denoiser says of a fixed example with something changed."""
    generator = torch.Generator().manual_seed(0)
    example = {
        "noisy": torch.randn(1, 1, 16, 16, 16, generator=generator),
        "structures": torch.randn(1, len(CHANNELS) - 1, 16, 16, 16, generator=generator),
        "time": torch.tensor([300]),
        "context": torch.zeros(1, CONTEXT_LENGTH + len(SCALARS)),
        "ct": torch.rand(1, 1, 32, 32, 32, generator=generator),
        "has_ct": torch.ones(1),
        "start_mm": torch.zeros(1, 3),
    }
    example.update(changes)
    step = torch.tensor([[2.5, 4.0, 4.0]])
    whole = WholeCT(example["ct"], example["has_ct"], step, torch.zeros(1, dtype=torch.long))
    with torch.no_grad():
        return network(example["noisy"], example["structures"], example["time"], example["context"], whole, step,
                       example["start_mm"])  # fmt: skip


@pytest.mark.parametrize("structure_encoder", [True, False])
def test_every_condition_reaches_the_answer(structure_encoder):
    torch.manual_seed(0)
    system = AddiffDoseSystem(**{**SMALL, "structure_encoder": structure_encoder})
    network = system.build_network().eval()
    # Output layers and the context begin at zero; wake them.
    for parameter in network.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.1)
    network.ct_encoder.mean.weight.data *= 30.0  # an untrained latent hardly depends on its CT
    usual = said_of(system, network)
    for change in (
        {"structures": torch.zeros(1, len(CHANNELS) - 1, 16, 16, 16)},
        {"time": torch.tensor([900])},
        {"context": torch.ones(1, CONTEXT_LENGTH + len(SCALARS))},
        {"ct": torch.zeros(1, 1, 32, 32, 32)},
        {"start_mm": torch.full((1, 3), 40.0)},
    ):
        assert (said_of(system, network, **change) - usual).abs().max() > 1e-4, list(change)
    # Without a CT, what stands in its channel is nothing to go by.
    missing = {"has_ct": torch.zeros(1)}
    blank = said_of(system, network, **missing, ct=torch.zeros(1, 1, 32, 32, 32))
    assert torch.allclose(said_of(system, network, **missing), blank, atol=1e-6)


def test_a_technique_that_training_never_showed_changes_nothing(trained):
    _, _, second, _ = trained
    network = second.averaged_network()
    assert network.context.weight[:, 1].abs().max() == 0  # VMAT
    assert network.context.weight[:, CONTEXT_LENGTH - 1 - 6].abs().max() == 0  # no brainstem in these patients
    assert network.context.weight[:, 4].abs().max() > 0  # the highest prescription
    usual, other = torch.zeros(1, CONTEXT_LENGTH + len(SCALARS)), torch.zeros(1, CONTEXT_LENGTH + len(SCALARS))
    other[0, 1] = 1.0
    assert torch.equal(said_of(second.system, network, context=usual), said_of(second.system, network, context=other))


def test_the_plans_context():
    inputs = model_input(ball_patient(), CHANNELS)
    values = plan_context(replace(inputs, technique="VMAT", site="lung"), {"SpinalCord": 45.0, "Brainstem": 54.0})
    assert values.shape == (CONTEXT_LENGTH,)
    assert values[:4].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert values[4:7] == pytest.approx([1.0, 0.8, 0.0])
    assert values[7:9] == pytest.approx([0.0, 45 / 70])  # no brainstem is drawn
    assert inputs.site == "head-and-neck" and inputs.technique is None
    assert plan_context(replace(inputs, technique=None, site=None), {})[:4].tolist() == [0.0] * 4


def test_technique_and_site_survive_the_cache_and_old_caches_are_read(tmp_path, cases):
    told = replace(cases[0], inputs=replace(cases[0].inputs, technique="IMRT", site=None))
    save_case(told, tmp_path / "new.npz")
    again = load_case(tmp_path / "new.npz")
    assert (again.inputs.technique, again.inputs.site) == ("IMRT", None)
    with np.load(tmp_path / "new.npz") as data:
        older = {name: data[name] for name in data if name not in ("technique", "site")}
    np.savez(tmp_path / "old.npz", **older)
    assert load_case(tmp_path / "old.npz").inputs.technique is None


def test_mixing_keeps_shares_and_half_of_the_batches_whole():
    shares = [draw_share(0.4, 2, torch.Generator().manual_seed(seed)) for seed in range(2000)]
    mixes = np.array([share for share in shares if share < 1.0])
    assert 0.45 < len(mixes) / len(shares) < 0.55
    # Beta(0.4, 0.4): symmetric, variance 1 / (4 (2 * 0.4 + 1)).
    assert mixes.mean() == pytest.approx(0.5, abs=0.04)
    assert mixes.var() == pytest.approx(1 / (4 * 1.8), abs=0.02)
    assert draw_share(0.4, 1, torch.Generator().manual_seed(0)) == draw_share(0.0, 2, torch.Generator()) == 1.0
    batch = torch.tensor([[1.0], [3.0], [5.0]])
    assert mixed(batch, 0.75).flatten().tolist() == [2.0, 2.5, 4.5]


def first_config_mixes_half(trained) -> bool:
    """A configuration that says nothing goes on as runs from before the field did."""
    return trained[1].config.mixed_batches == 0.5


def test_every_batch_of_the_autoencoder_is_mixed_where_the_configuration_says_so(trained, cases):
    """Nothing asks for whole patients there, and Algorithm 1 mixes always."""
    paper = TrainingConfig.read(Path(__file__).parents[1] / "Benchmarks" / "addiff_dose-paper-ct_vae.json")
    assert paper.mixed_batches == 1.0 and first_config_mixes_half(trained)
    shares = [draw_share(0.4, 2, torch.Generator().manual_seed(seed), mixed_batches=1.0) for seed in range(2000)]
    assert np.mean([share < 1.0 for share in shares]) > 0.99
    _, first, _, _ = trained
    stage = type(first.stage)(replace(first.config, mixed_batches=1.0))
    alone = type(first.stage)(replace(first.config, mixup=0.0))
    seeds = [[(0, 2, 2 * index), (0, 2, 2 * index + 1)] for index in range(8)]
    cts = [(stage.draw(cases, one).ct, alone.draw(cases, one).ct) for one in seeds]
    assert all(not torch.equal(mixture, whole) for mixture, whole in cts)


def test_a_draw_has_constraints_or_is_mixed(tmp_path, trained, cases):
    _, _, second, _ = trained
    kinds = set()
    for seed in range(6):
        batch = second.stage.draw(cases, [(0, 2, 2 * seed), (0, 2, 2 * seed + 1)])
        kinds.add(bool(batch.constraints))
        assert batch.conditions.shape[1] == len(CHANNELS)
        assert batch.context.shape == (2, CONTEXT_LENGTH + len(SCALARS))
        assert len(batch.places) == 2 * second.config.patches
        assert ((1 <= batch.time) & (batch.time <= 1000)).all()
        for index, structures in enumerate(batch.structures):
            # The first target's voxels, as the augmented patient has them.
            high = batch.conditions[index, CHANNELS.index("prescription")].reshape(-1) == 1.0
            names = [one.constraint.structure for one in batch.constraints[index]]
            number = batch.constraints[index][names.index("highest target")].structures[0]
            assert set(structures[number].voxels.tolist()) == set(torch.nonzero(high).flatten().tolist())
    assert kinds == {True, False}
    whole = replace(second.config, patches=0, mixup=0.0)
    stage = type(second.stage)(whole)
    batch = stage.draw(cases, [(0,), (1,)])
    covered = torch.zeros(batch.clean.shape, dtype=torch.bool)
    for index, (z, y, x) in batch.places:
        covered[index, 0, z : z + 16, y : y + 16, x : x + 16] = True
    assert covered.all()


def test_a_patient_whose_dose_region_a_canvas_cut_off_has_patches_that_teach_nothing(trained):
    _, _, second, _ = trained
    region = np.zeros((2, 20, 24, 28), dtype=bool)
    region[1, 10:] = True
    places = second.stage._places(region, np.random.default_rng(0))
    assert [index for index, _ in places] == [0] * second.config.patches + [1] * second.config.patches
    assert all(0 <= start <= size - 16 for _, place in places for start, size in zip(place, (20, 24, 28), strict=True))


def voxels_of(constraints):
    return [one.voxels.tolist() for one in constraints.structures]


def test_constraints_are_those_of_the_case_and_not_of_its_name(cases):
    fine, other = case(0.0), ball_case(0.0, identifier="ball0.0", peak_gy=66.0)
    target = fine.inputs.names.index("prescription")
    channels = other.inputs.channels.copy()
    channels[target] = np.roll(channels[target], 2, axis=0)
    other = replace(other, inputs=replace(other.inputs, channels=channels))
    wanted = {id(one): voxels_of(ConstraintMasks(bundled_goals(GOALS)).of(one)) for one in (fine, other)}
    assert wanted[id(fine)] != wanted[id(other)]
    masks = ConstraintMasks(bundled_goals(GOALS))
    coarse = halved(fine)
    masks.of(coarse)
    assert voxels_of(masks.of(fine)) == wanted[id(fine)], "of the full grid, after a step at half the resolution"
    assert voxels_of(masks.of(other)) == wanted[id(other)], "of the other patient of this name"
    assert masks.of(fine) is masks.of(fine), "made once"
    del coarse
    gc.collect()
    assert len(masks._known) == 2, "nothing is kept for a case that is gone"


def test_a_run_that_was_coarse_at_first_resumes_exactly(tmp_path, trained, cases):
    folder, *_ = trained

    def run(name):
        told = stage_config(folder, "dose", output=str(tmp_path / name), coarse_steps=1, mixup=0.0, steps=3,
                            clinical_weight=50.0, validate_every=99)  # fmt: skip
        return TrainingRun(told, cases, cases[:1])

    whole = run("whole")
    whole.run()
    run("parts").run(until=2)
    resumed = run("parts")
    assert resumed.step == 2
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
        assert torch.equal(whole.average[name], resumed.average[name]), name


def test_the_first_stage_leaves_an_encoder_that_the_second_does_not_touch(trained):
    _, first, second, weights = trained
    wanted = first.averaged_network().encoder.state_dict()
    loaded = load_weights(weights)
    for name, value in loaded.network.ct_encoder.state_dict().items():
        assert torch.allclose(value.float(), wanted[name].float(), atol=2e-3), name
    assert not any(value.requires_grad for value in second.network.ct_encoder.parameters())
    with pytest.raises(InputError, match="do not fit the network"):
        load_weights(first.output / "weights.safetensors")


def test_stages_that_cannot_begin_say_why(tmp_path, trained, cases):
    folder, *_ = trained
    with pytest.raises(InputError, match="train the stage 'ct_vae' first"):
        TrainingRun(stage_config(tmp_path, "dose", from_weights=None), cases, cases)
    with pytest.raises(InputError, match="There is no weights file"):
        TrainingRun(stage_config(tmp_path, "dose"), cases, cases)
    given = str(folder / "ct_vae" / "weights.safetensors")
    with pytest.raises(InputError, match="another size"):
        TrainingRun(
            stage_config(tmp_path, "dose", from_weights=given, system_config={**SMALL, "latent": 8}), cases, cases
        )
    with pytest.raises(InputError, match="set batch to 2"):
        TrainingRun(stage_config(tmp_path, "ct_vae", batch=1), cases, cases)


@pytest.mark.parametrize("bits", [16, 8])
def test_a_run_may_begin_with_a_finished_systems_weights(tmp_path, trained, cases, bits):
    folder, *_ = trained
    encoder = str(folder / "ct_vae" / "weights.safetensors")
    first = stage_config(tmp_path / "first", "dose", from_weights=encoder, weight_bits=bits)
    finished = TrainingRun(first, cases, cases)
    finished.run(1)
    given = export_weights(finished)
    begun = TrainingRun(stage_config(tmp_path / "second", "dose", from_weights=str(given)), cases, cases)
    there = load_weights(given).network.state_dict()
    assert all(torch.equal(value, there[name]) for name, value in begun.network.state_dict().items())


def test_the_autoencoder_may_begin_with_its_own_weights(tmp_path, trained, cases):
    folder, *_ = trained
    given = str(folder / "ct_vae" / "weights.safetensors")
    begun = TrainingRun(stage_config(tmp_path, "ct_vae", from_weights=given), cases, cases)
    fresh = TrainingRun(stage_config(tmp_path / "fresh", "ct_vae"), cases, cases).network.state_dict()
    assert any(not torch.equal(value, fresh[name]) for name, value in begun.network.state_dict().items())
    with pytest.raises(InputError, match="There is no weights file"):
        TrainingRun(stage_config(tmp_path / "none", "ct_vae", from_weights="nowhere.safetensors"), cases, cases)


def test_training_lowers_the_error_and_the_missed_goals(tmp_path, trained, cases):
    folder, *_ = trained
    told = stage_config(
        folder, "dose", output=str(tmp_path), steps=24, decay_steps=8, learning_rate=5e-3, ema=0.9, mixup=0.0,
        validate_every=1000, checkpoint_every=1000, patches=3,
    )  # fmt: skip
    run = TrainingRun(told, cases, cases[:1])
    before = run.validation_scores()
    run.run()
    after = run.validation_scores()
    assert after["validation_dose_score_gy"] < 0.7 * before["validation_dose_score_gy"]
    assert run.stage.score_name in after


def test_the_clinical_term_moves_doses_towards_the_limits(trained, cases):
    """One batch, no noise to speak of: the gradient of the clinical term lowers the cord's dose above its limit."""
    _, _, second, _ = trained
    stage = type(second.stage)(replace(second.config, mixup=0.0, clinical_weight=10.0, patches=0))
    hot = [replace(one, dose_gy=(one.dose_gy * 1.4).astype(np.float16)) for one in cases]
    batch = replace(stage.draw(hot, [(0,), (1,)]), time=torch.tensor([1, 1]))
    assert batch.constraints
    network = second.averaged_network().train()
    with_term = stage.loss(network, batch)
    assert with_term.logged["clinical"] > 0
    without = type(stage)(replace(stage.config, clinical_weight=0.0)).loss(network, batch)
    assert with_term.total > without.total


def test_sampling_is_seeded_counts_steps_and_keeps_to_the_region(trained, cases):
    *_, weights = trained
    loaded = load_weights(weights)
    inputs = cases[0].inputs
    counted: list[int] = []
    one = loaded.system.sample_dose(loaded.network, inputs, 3, 7, counted.append)
    again = loaded.system.sample_dose(loaded.network, inputs, 3, 7)
    other = loaded.system.sample_dose(loaded.network, inputs, 3, 8)
    assert counted == [1, 2, 3]
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert one.shape == inputs.region.shape and one.dtype == np.float32
    assert one.min() >= 0 and np.abs(one[~inputs.region]).max() == 0
    assert one.max() <= 1.2 * inputs.prescription_gy + 1e-3


def test_all_steps_are_the_ancestral_sampler(trained, cases):
    *_, weights = trained
    loaded = load_weights(weights)
    few = replace(loaded.system, diffusion_steps=3)
    stochastic = replace(few, eta=1.0)
    inputs = cases[0].inputs
    every = few.sample_dose(loaded.network, inputs, 3, 0)
    assert np.array_equal(every, stochastic.sample_dose(loaded.network, inputs, 3, 0))
    assert not np.array_equal(few.sample_dose(loaded.network, inputs, 2, 0), every)


def test_the_run_ends_when_compliance_stalls(tmp_path, trained, cases, capsys):
    folder, *_ = trained
    told = stage_config(folder, "dose", output=str(tmp_path), steps=40, validate_every=2, checkpoint_every=100,
                        patience=2, learning_rate=0.0, clinical_weight=0.0)  # fmt: skip
    run = TrainingRun(told, cases, cases[:1])
    run.run()
    assert run.step == 6  # the first sets the mark, two more bring nothing
    assert "has not improved in 2 validations" in capsys.readouterr().out
    assert TrainingRun(told, cases, cases[:1]).stalled == 2
    assert math.isfinite(run.best)


def test_the_papers_configuration_validates_on_every_patient(tmp_path, trained, cases):
    """By it "each training cycle fully traverses the training set and validation set": the default, 10, is too few."""
    folder, *_ = trained
    told = TrainingConfig.read(Path(__file__).parents[1] / "Benchmarks" / "addiff_dose-paper.json")
    small = stage_config(folder, "dose", output=str(tmp_path), validation_cases=told.validation_cases)
    assert len(TrainingRun(small, cases, cases * 8).validation) == 16


def test_the_cosine_reaches_its_end(tmp_path):
    told = stage_config(tmp_path, "ct_vae", steps=100, learning_rate=1e-3, cosine_to=1e-5, warmup_steps=1)
    rates = [told.learning_rate_at(step) for step in (0, 50, 100)]
    assert rates == pytest.approx([1e-3, (1e-3 + 1e-5) / 2, 1e-5])
