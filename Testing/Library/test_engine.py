"""The engine: samples, their mean and spread, and what happens when a GPU is full."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantom import ball_patient
from tiny import tiny_weights

from DosePredictionLib.conditioning.channels import model_input
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference import engine as engine_module
from DosePredictionLib.inference.device import choose_device
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.weights import read_weights, save_weights
from DosePredictionLib.systems.default import DefaultSystem


@pytest.fixture
def engine(tmp_path):
    return PredictionEngine("default", tiny_weights(tmp_path / "tiny.safetensors"), "cpu")


@pytest.mark.parametrize("upside_down", [0.0, 0.25])
def test_mean_and_standard_deviation_are_those_of_the_samples(tmp_path, upside_down):
    """Of samples that see the patient mirrored, and upside down where the weights know such patients."""
    weights = read_weights(tiny_weights(tmp_path / "tiny.safetensors"))
    header = replace(weights.header, training={"upside_down": upside_down})
    save_weights(weights.state, header, tmp_path / "told.safetensors")
    engine = PredictionEngine("default", tmp_path / "told.safetensors", "cpu")
    patient = ball_patient()
    predicted = engine.predict(patient, PredictionOptions(samples=4, steps=1, seed=2))
    inputs = model_input(patient)
    shown = [inputs, inputs.mirrored()] * 2
    if upside_down:
        shown[2:] = [seen.upside_down() for seen in shown[2:]]
    singles = np.stack([
        DefaultSystem().sample_dose(engine.loaded.network, seen, 1, 2000 + k) for k, seen in enumerate(shown)
    ])  # fmt: skip
    singles[1::2] = singles[1::2, :, :, ::-1]
    if upside_down:
        singles[2:] = singles[2:, ::-1]
    first = np.rint(patient.geometry.index_of_lps(np.asarray(inputs.geometry.origin_mm))).astype(int)
    part = tuple(slice(a, a + n) for a, n in zip(first, inputs.region.shape, strict=True))
    assert np.allclose(predicted.dose.array[part], singles.mean(axis=0), atol=1e-3)
    assert np.allclose(predicted.dose_std.array[part], singles.std(axis=0, ddof=1), atol=1e-3)


@pytest.mark.parametrize("names_kept", [False, True])
def test_samples_see_quarter_turns_where_the_weights_know_such_patients(tmp_path, names_kept):
    """The second sample sees the mirrored patient a quarter turned; its dose is laid back."""
    weights = read_weights(tiny_weights(tmp_path / "tiny.safetensors"))
    header = replace(weights.header, training={"quarter_turns": 0.75, "names_kept": names_kept})
    save_weights(weights.state, header, tmp_path / "told.safetensors")
    engine = PredictionEngine("default", tmp_path / "told.safetensors", "cpu")
    whole = model_input(ball_patient())
    inputs = whole.cropped((0, 0, 8), (40, 38, 30))  # wider than high, as a slip of axes would tell
    shown = inputs.mirrored(names_kept).quarter_turned(1)
    assert shown.region.shape != inputs.region.shape
    system, network = DefaultSystem(), engine.loaded.network
    second = np.rot90(system.sample_dose(network, shown, 1, 2001), -1, axes=(1, 2))[:, :, ::-1]
    wanted = (system.sample_dose(network, inputs, 1, 2000) + second) / 2
    assert np.allclose(engine.sampled_dose(inputs, seed=2, samples=2), wanted, atol=1e-3)


class Certain(torch.nn.Module):
    """A network that says one clean value everywhere, whatever it sees."""

    size_multiple = 4

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(value))

    def guide(self, conditions):
        return ()

    def forward(self, noisy, conditions, time, scalars, maps):
        return self.value.expand_as(noisy)


@pytest.mark.parametrize(("value", "part"), [(-1.0, 0.0), (0.0, 0.5), (1.0, 1.0), (-1.25, 0.0)])
def test_a_model_s_units_are_parts_of_the_prescription(value, part):
    """-1 is no dose and 1 the highest prescription; there is no dose below 0, and none outside the region."""
    inputs = model_input(ball_patient())
    dose_gy = DefaultSystem().sample_dose(Certain(value), inputs, 2, 0)
    assert dose_gy[inputs.region] == pytest.approx(70.0 * part, abs=1e-5)
    assert (dose_gy[~inputs.region] == 0.0).all()


#: How memory runs out on NVIDIA's cards and on Apple's.
FULL = pytest.mark.parametrize(
    "full", [torch.OutOfMemoryError("no memory"), RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB).")]
)


@FULL
def test_a_full_gpu_falls_back_to_the_processor_with_a_message(full, engine, monkeypatch):
    patient, told = ball_patient(), []
    wanted = engine.predict(patient, PredictionOptions(samples=2)).dose.array
    engine._tell = told.append
    engine.device = torch.device("mps")  # a name only; the attempt below fails as a full device does
    attempts, sample_dose = [], DefaultSystem.sample_dose

    def full_at_first(system, *arguments):
        attempts.append(engine.device.type)
        if engine.device.type != "cpu":
            raise full
        return sample_dose(system, *arguments)

    monkeypatch.setattr(DefaultSystem, "sample_dose", full_at_first)
    predicted = engine.predict(patient, PredictionOptions(samples=2))
    assert attempts == ["mps", "cpu", "cpu"]
    assert len(told) == 1 and "ran out" in told[0]
    assert predicted.provenance.device == "cpu"
    assert np.array_equal(predicted.dose.array, wanted)


@pytest.mark.parametrize("device", ["cpu", "mps"])
@pytest.mark.parametrize(
    "full", [RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried "
                          "to allocate 9 bytes. Error code 12 (Cannot allocate memory)"), MemoryError()],
)  # fmt: skip
def test_a_full_computer_is_one_sentence(full, device, engine, monkeypatch):
    """On the processor, and where it takes over from a GPU that was full before."""
    engine.device = torch.device(device)

    def out_of_memory(*arguments):
        raise full if engine.device.type == "cpu" else torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(DefaultSystem, "sample_dose", out_of_memory)
    with pytest.raises(InputError, match="computer's memory ran out; close other programs"):
        engine.predict(ball_patient(), PredictionOptions(samples=1))


def test_other_errors_of_a_gpu_are_not_taken_for_a_full_one(engine, monkeypatch):
    engine.device = torch.device("mps")

    def broken(*arguments):
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(DefaultSystem, "sample_dose", broken)
    with pytest.raises(RuntimeError, match="illegal"):
        engine.predict(ball_patient(), PredictionOptions(samples=1))


@FULL
def test_a_gpu_too_small_for_the_weights_falls_back_too(full, tmp_path, monkeypatch):
    told, moved = [], torch.nn.Module.to

    def to(network, *device, **options):
        if device and torch.device(device[0]).type != "cpu":
            raise full
        return moved(network, *device, **options)

    monkeypatch.setattr(torch.nn.Module, "to", to)
    monkeypatch.setattr(engine_module, "choose_device", lambda wanted, tell: torch.device("mps"))
    engine = PredictionEngine("default", tiny_weights(tmp_path / "tiny.safetensors"), "mps", told.append)
    assert engine.device == torch.device("cpu") and len(told) == 1 and "ran out" in told[0]


@FULL
def test_a_gpu_too_full_for_the_calibration_falls_back_too(full, engine):
    told, attempts = [], []

    class Calibration:
        path, sha256 = Path("adc.safetensors"), ""

        def apply(self, inputs, dose_gy, device):
            attempts.append(device.type)
            if device.type != "cpu":
                raise full
            return dose_gy + np.float32(1.0)

        def belongs_to(self, weights):
            return True

    engine._tell, engine.dose_calibration, engine.device = told.append, Calibration(), torch.device("mps")
    predicted = engine.predict(ball_patient(), PredictionOptions(samples=1))
    assert attempts == ["mps", "cpu"] and len(told) == 1 and "ran out" in told[0]
    assert predicted.dose.array.max() > predicted.uncalibrated.array.max()


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no cuda device"):
        choose_device("cuda")
    with pytest.raises(InputError, match="abacus"):
        choose_device("abacus")


@pytest.mark.parametrize(("option", "value"), [("samples", 0), ("steps", 0), ("steps", 5000), ("seed", -1)])
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(InputError, match=option):
        PredictionOptions(**{option: value})
