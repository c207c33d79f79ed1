"""The variance-preserving process: its levels, its targets, and samplers on a problem whose answer is known."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.diffusion.slice_noise import correlated_noise
from DosePredictionLib.diffusion.variance_preserving import VarianceSchedule
from DosePredictionLib.diffusion.velocity_process import VariancePreservingVelocity
from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.registry import system_from_config

SCHEDULE = VarianceSchedule()


def gaussian_denoiser(prediction: str, mean: float = 0.7, spread: float = 0.2):
    """The best possible denoiser of clean values from a normal distribution: conditional means in closed form."""

    def say(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        signal, noise_level = SCHEDULE.levels(time, noisy)
        gain = signal * spread**2 / (signal**2 * spread**2 + noise_level**2)
        clean = mean + gain * (noisy - signal * mean)
        if prediction == "x0":
            return clean
        noise = (noisy - signal * clean) / noise_level
        return noise if prediction == "epsilon" else signal * noise - noise_level * clean

    return say


def noise(count: int = 4096, seed: int = 0) -> torch.Tensor:
    return torch.randn((count, 1), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_schedule_is_the_usual_one():
    assert SCHEDULE.kept_variance[0] == 1.0
    assert float(SCHEDULE.kept_variance[1]) == pytest.approx(1 - 1e-4)
    assert float(SCHEDULE.kept_variance[1000].sqrt()) == pytest.approx(0.0064, abs=1e-4)
    signal, spread = SCHEDULE.levels(torch.tensor([1, 500, 1000]), torch.zeros(3, 1, 2, 2))
    assert torch.allclose(signal**2 + spread**2, torch.ones(3, 1, 1, 1))


def test_every_kind_of_prediction_tells_the_clean_sample():
    clean, drawn, time = torch.rand(3, 1), torch.randn(3, 1), torch.tensor([3, 400, 900])
    noisy = SCHEDULE.noisy(clean, drawn, time)
    for prediction in ("epsilon", "v", "x0"):
        said = SCHEDULE.target(clean, drawn, time, prediction)
        assert torch.allclose(SCHEDULE.clean(noisy, said, time, prediction), clean, atol=1e-4), prediction


@pytest.mark.parametrize("steps", [1, 3, 8, 1000])
def test_the_sampler_s_grid_runs_from_pure_noise_to_the_clean_sample(steps):
    times = SCHEDULE.times(steps)
    assert times[0] == 1000 and times[-1] == 0 and len(times) == steps + 1
    assert all(abs(time - 1000 * left / steps) <= 0.5 for time, left in zip(times, range(steps, -1, -1), strict=True))
    gaps = [early - late for early, late in zip(times[:-1], times[1:], strict=True)]
    assert max(gaps) - min(gaps) <= 1 and min(gaps) > 0
    for wrong in (0, 1001):
        with pytest.raises(InputError, match=f"has 1000 steps; sample in 1 to 1000, not {wrong}"):
            SCHEDULE.times(wrong)


@pytest.mark.parametrize("steps", [1, 3, 20, 250, 3000])
def test_a_process_of_any_number_of_steps_ends_in_as_much_noise(steps):
    """Or samples, which begin at noise alone, would begin where the denoiser was never trained."""
    other = VarianceSchedule(steps)
    assert float(other.kept_variance[steps].sqrt()) == pytest.approx(0.0064, abs=1e-4)
    assert (other.kept_variance.diff() < 0).all() and len(other.kept_variance) == steps + 1
    if 1000 % steps == 0:  # a part of the usual steps
        assert torch.allclose(other.kept_variance, SCHEDULE.kept_variance[:: 1000 // steps], rtol=1e-9)


def test_no_system_takes_more_steps_by_itself_than_its_process_has():
    for name, steps in (("magdiff_adc", "noise_steps"), ("addiff_dose", "diffusion_steps")):
        assert system_from_config(name, {"prediction": "epsilon", steps: 5}).default_steps == 5


def test_a_dose_near_its_prescription_comes_out_as_high_in_a_process_of_fewer_steps():
    for steps in (1000, 250, 100):
        process = VarianceSchedule(steps)

        def say(noisy, time, process=process):
            signal, spread = process.levels(time, noisy)
            return 1.0 + (noisy - signal) * signal * 0.1**2 / (signal**2 * 0.1**2 + spread**2)

        drawn = process.ddim_sample(say, noise(100_000), 50, prediction="x0")
        assert float(drawn.mean()) == pytest.approx(1.0, abs=0.003), steps


def test_training_never_asks_for_the_noise_in_a_clean_sample():
    """At step 0 there is none, and the noise between two samples would be divided by it."""
    drawn = VariancePreservingVelocity().draw_time(torch.tensor([0.0, 0.0004, 0.25, 0.9999, 1.0]))
    assert drawn.tolist() == pytest.approx([0.001, 0.001, 0.25, 1.0, 1.0])


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
@pytest.mark.parametrize(("eta", "steps"), [(0.0, 100), (1.0, 1000)])
def test_ddim_samples_the_distribution_that_its_denoiser_knows(prediction, eta, steps):
    drawn = SCHEDULE.ddim_sample(
        gaussian_denoiser(prediction), noise(), steps, eta, prediction=prediction,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    assert float(drawn.mean()) == pytest.approx(0.7, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.2, abs=0.015)


def test_a_few_steps_are_consistent_and_the_same_for_every_kind_of_prediction():
    seen: list[int] = []

    def watching(noisy, time):
        seen.append(int(time[0]))
        return gaussian_denoiser("x0")(noisy, time)

    eight = SCHEDULE.ddim_sample(watching, noise(), 8, prediction="x0")
    assert seen == SCHEDULE.times(8)[:-1]
    assert float(eight.mean()) == pytest.approx(0.7, abs=0.01)
    assert 0.05 < float(eight.std()) < 0.2  # the last step ends at the mean of what is still possible
    for prediction in ("epsilon", "v"):
        other = SCHEDULE.ddim_sample(gaussian_denoiser(prediction), noise(), 8, prediction=prediction)
        assert torch.allclose(eight, other, atol=1e-6), prediction


def test_ancestral_steps_have_the_posterior_s_mean_and_variance():
    """Algorithm 2 of Ho et al., written out for one step, against the sampler's."""
    short = VarianceSchedule(steps=2, first_beta=0.2, last_beta=0.6, usual_steps=2)
    start = noise(200_000)
    said = torch.full_like(start, 0.3)
    after_one: list[torch.Tensor] = []

    def say(noisy, time):
        if int(time[0]) == 1:
            after_one.append(noisy)
        return said

    drawing = torch.Generator().manual_seed(2)
    short.ddim_sample(say, start, short.steps, 1.0, prediction="x0", generator=drawing)
    kept = short.kept_variance
    beta, kept_1, kept_2 = 0.6, float(kept[1]), float(kept[2])
    mean = kept_1**0.5 * beta / (1 - kept_2) * said + (1 - beta) ** 0.5 * (1 - kept_1) / (1 - kept_2) * start
    variance = (1 - kept_1) / (1 - kept_2) * beta
    left = after_one[0] - mean
    assert float(left.mean()) == pytest.approx(0.0, abs=0.005)
    assert float(left.var()) == pytest.approx(variance, rel=0.02)


def test_known_values_are_kept_through_all_steps_and_stopping_stops():
    def known(clean):
        return clean.clamp(max=0.5)

    drawn = SCHEDULE.ddim_sample(gaussian_denoiser("epsilon"), noise(), 8, known=known)
    assert float(drawn.max()) <= 0.5

    class Stop(Exception):
        pass

    def stop(step):
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        SCHEDULE.ddim_sample(gaussian_denoiser("epsilon"), noise(), 8, on_step=stop)


def test_slices_share_noise_along_the_patient_and_are_white_in_the_plane():
    drawn = correlated_noise((60, 40, 40), 2.5, 10.0, torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(0.0, abs=0.05)
    assert drawn.var(dim=(1, 2)).mean() == pytest.approx(1.0, abs=0.05)
    for apart in (1, 4, 8):
        wanted = float(torch.exp(torch.tensor(-((2.5 * apart) ** 2) / 400.0)))
        assert float((drawn[apart:] * drawn[:-apart]).mean()) == pytest.approx(wanted, abs=0.05), apart
    assert float((drawn[:, 1:] * drawn[:, :-1]).mean()) == pytest.approx(0.0, abs=0.02)
    alone = correlated_noise((30, 40, 40), 2.5, 0.0, torch.Generator().manual_seed(0))
    assert float((alone[1:] * alone[:-1]).mean()) == pytest.approx(0.0, abs=0.02)
