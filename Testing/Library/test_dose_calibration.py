"""Adaptive Dose Calibration: the identity at first, inside the structures only, learnt from a system's own samples."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from phantom import ball_dose, ball_patient
from test_cli import refused
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.cli.model_options import CALIBRATION
from DosePredictionLib.conditioning.channels import CHANNELS, model_input
from DosePredictionLib.conditioning.padding import pad_to
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.calibration import load_calibration
from DosePredictionLib.inference.engine import PredictionEngine
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.shipped_weights import shipped_calibration
from DosePredictionLib.inference.weights import load_weights, read_weights, save_weights
from DosePredictionLib.inference.weights_header import WeightsHeader
from DosePredictionLib.patient.patient_digest import patient_digest
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.systems.adaptive_calibration import AdaptiveCalibration, reach_of, structures_mask
from DosePredictionLib.training.calibration_stage import CalibrationStage
from DosePredictionLib.training.case_cache import training_case
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.export import export_weights
from DosePredictionLib.training.loop import TrainingRun

pytestmark = pytest.mark.usefixtures("worker_thread")


def patient():
    return replace(ball_patient(), reference_dose=ball_dose())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_weights(tmp_path_factory.mktemp("adc-weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def calibrated_run(tmp_path_factory, weights):
    """A calibration trained on the doses of a system that knows nothing, and its score before that."""
    cases = [training_case(patient(), CHANNELS)]
    config = TrainingConfig(
        train="", validation="", output=str(tmp_path_factory.mktemp("adc-run")), stage="calibration",
        from_weights=str(weights), steps=40, decay_steps=10, warmup_steps=2, learning_rate=0.003, ema=0.8, threads=1,
        device="cpu",
    )  # fmt: skip
    run = TrainingRun(config, cases, cases)
    before = run.validation_score()
    run.run()
    return run, before, export_weights(run)


def sampled(inputs) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 70, inputs.region.shape).astype(np.float32) * inputs.region


def awake(calibration: AdaptiveCalibration) -> torch.nn.Module:
    """A network that does change doses."""
    torch.manual_seed(1)
    network = calibration.build_network().eval()
    torch.nn.init.normal_(network.correction.weight, std=0.3)
    return network


def test_a_fresh_calibration_changes_nothing():
    calibration, inputs = AdaptiveCalibration(), model_input(ball_patient())
    dose = sampled(inputs)
    refined = calibration.calibrated_dose(calibration.build_network(), inputs, dose)
    assert np.abs(refined - dose).max() < 1e-4


def test_only_targets_and_organs_are_refined_and_no_dose_is_negative():
    calibration, inputs = AdaptiveCalibration(), model_input(ball_patient())
    inside = structures_mask(inputs)
    dose = sampled(inputs)
    before = dose.copy()
    refined = calibration.calibrated_dose(awake(calibration), inputs, dose)
    assert np.array_equal(dose, before)
    assert np.array_equal(refined[~inside], dose[~inside])
    assert np.abs(refined - dose)[inside].mean() > 0.1
    assert refined.min() >= 0
    # Where a physicist would say a structure is: both targets, cord, both parotids.
    for name in ("prescription", "SpinalCord", "Parotid_L", "Parotid_R"):
        assert inside[inputs.channels[CHANNELS.index(name)] > 0].all(), name
    assert 0.02 < inside[inputs.region].mean() < 0.25


def test_the_box_around_the_structures_is_all_that_the_correction_depends_on():
    calibration, inputs = AdaptiveCalibration(), model_input(ball_patient())
    network, dose = awake(calibration), sampled(inputs)
    part = calibration.calibrated_dose(network, inputs, dose)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        whole = network(
            torch.from_numpy(dose / 70.0)[None, None], torch.from_numpy(inputs.channels)[None],
            torch.from_numpy(structures_mask(inputs))[None, None],
        )  # fmt: skip
    wanted = np.maximum(whole[0, 0].float().numpy() * 70.0, 0)
    assert np.abs(part - wanted).max() < 0.1


def test_a_patient_without_organs_is_calibrated_in_the_targets():
    alone = ball_patient()
    alone = replace(alone, structures=tuple(s for s in alone.structures if s.role is not StructureRole.OAR))
    calibration, inputs = AdaptiveCalibration(), model_input(alone)
    changed = calibration.calibrated_dose(awake(calibration), inputs, sampled(inputs)) != sampled(inputs)
    assert changed.any() and not (changed & (inputs.channels[CHANNELS.index("prescription")] == 0)).any()


def test_it_learns_from_the_system_s_own_samples(calibrated_run, weights):
    run, before, _ = calibrated_run
    after = run.validation_score()
    assert after < 0.5 * before
    stage = run.stage
    assert isinstance(stage, CalibrationStage)
    (kept,) = (run.output / "cache" / "sampled").glob("ball-*.npy")
    inputs = model_input(patient())
    engine = PredictionEngine("default", weights, "cpu")
    # But for the half precision of cached channels.
    assert np.abs(np.load(kept).astype(np.float32) - engine.sampled_dose(inputs)).mean() < 0.1
    # The cache is what is read from then on.
    np.save(kept, np.full(inputs.region.shape, 12.0, dtype=np.float16))
    assert stage.sampled_dose(run.cases[0]).max() == 12.0


def test_a_patient_that_changed_or_another_of_its_name_is_sampled_anew(tmp_path, weights, monkeypatch):
    stage = CalibrationStage(TrainingConfig(
        train="", validation="", output=str(tmp_path), stage="calibration", from_weights=str(weights), device="cpu",
    ))  # fmt: skip
    case = training_case(patient(), CHANNELS)
    channels = case.inputs.channels.copy()
    channels[CHANNELS.index("prescription")][channels[CHANNELS.index("prescription")] == 1.0] = 0.8
    changed = replace(case, inputs=replace(case.inputs, channels=channels))
    asked = []
    monkeypatch.setattr(stage._engine, "sampled_dose", lambda inputs: asked.append(inputs) or (
        np.full(inputs.region.shape, float(len(asked)), dtype=np.float32)))  # fmt: skip
    assert stage.sampled_dose(case).max() == 1.0
    assert stage.sampled_dose(changed).max() == 2.0
    assert stage.sampled_dose(case).max() == 1.0 and len(asked) == 2
    assert stage.sampled_dose(training_case(patient(), CHANNELS)).max() == 1.0, "the same content, read again"


def test_the_loss_weighs_every_structure_alike(tmp_path, weights):
    """Twice the error in the smallest structure and none elsewhere: the mean over structures, not over voxels."""
    case = training_case(patient(), CHANNELS)
    stage = CalibrationStage(TrainingConfig(
        train="", validation="", output=str(tmp_path), stage="calibration", from_weights=str(weights), device="cpu",
        turn_probability=0.0, curve_weight=0.0, criteria_weight=0.0,
    ))  # fmt: skip
    batch = stage.draw([case], [(0,)])
    rows = batch.structures
    assert len(rows.count) == 5 and rows.is_target.sum() == 2
    network = stage.build_network()
    conditions = batch.conditions.clone()
    conditions[:, -1] = (batch.clean[:, 0] + 1) / 2  # a perfect sample ...
    smallest = int(rows.count.argmin())
    voxels = rows.voxels[smallest][: rows.count[smallest]]
    conditions[0, -1].view(-1)[voxels] += 7.0 / 70.0  # ... but for 7 Gy in the smallest structure
    loss = stage.loss(network, replace(batch, conditions=conditions))
    assert float(loss.logged["structures_gy"]) == pytest.approx(7.0 / 5, rel=1e-3)


def test_training_looks_at_the_structures_and_what_their_correction_depends_on(tmp_path, weights, monkeypatch):
    case = training_case(patient(), CHANNELS)
    inputs = case.inputs
    larger, offset = tuple(size + 120 for size in inputs.region.shape), (50, 60, 70)
    case = replace(case, dose_gy=pad_to(case.dose_gy, larger, offset), inputs=replace(
        inputs, channels=inputs.padded_channels(larger, offset).astype(np.float16),
        region=pad_to(inputs.region, larger, offset),
        geometry=inputs.geometry.cropped(tuple(-first for first in offset), larger),
    ))  # fmt: skip
    stage = CalibrationStage(TrainingConfig(
        train="", validation="", output=str(tmp_path), stage="calibration", from_weights=str(weights), device="cpu",
        turn_probability=0.0,
    ))  # fmt: skip
    monkeypatch.setattr(stage._engine, "sampled_dose", sampled)
    part = stage.with_sample(case)
    start, shape = reach_of(structures_mask(case.inputs))
    assert part.inputs.region.shape == part.dose_gy.shape == shape != case.inputs.region.shape
    box = tuple(slice(first, first + size) for first, size in zip(start, shape, strict=True))
    assert np.array_equal(part.dose_gy, case.dose_gy[box])
    assert np.abs(70.0 * part.inputs.channels[-1] - stage.sampled_dose(case)[box]).max() < 0.1
    asked = []
    stage.loss(lambda dose, _, inside: asked.append(inside) or dose, stage.draw([case], [(0,)]))
    assert asked[0].sum() == (structures_mask(case.inputs) & case.inputs.region).sum() < case.inputs.region.sum()


def test_the_engine_calibrates_after_sampling(calibrated_run, weights):
    _, _, file = calibrated_run
    plain = PredictionEngine("default", weights, "cpu").predict(patient(), PredictionOptions(samples=2))
    told: list[str] = []
    engine = PredictionEngine("default", weights, "cpu", told.append, calibrate=file)
    refined = engine.predict(patient(), PredictionOptions(samples=2))
    assert told == []
    assert plain.uncalibrated is None and plain.provenance.dose_calibration == ""
    assert np.array_equal(refined.uncalibrated.array, plain.dose.array)
    assert np.array_equal(refined.dose_std.array, plain.dose_std.array)
    assert refined.provenance.dose_calibration == "weights.safetensors"
    assert len(refined.provenance.dose_calibration_sha256) == 64
    cord = ball_patient().structures[3].mask.array > 0
    truth = ball_dose().array
    assert np.abs(refined.dose.array - truth)[cord].mean() < 0.6 * np.abs(plain.dose.array - truth)[cord].mean()


def test_a_calibration_of_other_weights_is_said_and_of_another_system_refused(calibrated_run, tmp_path, weights):
    _, _, file = calibrated_run
    state = {name: value.float() + 0.01 for name, value in read_weights(weights).state.items()}
    other = tmp_path / "other.safetensors"
    save_weights(state, read_weights(weights).header, other)
    told: list[str] = []
    engine = PredictionEngine("default", other, "cpu", told.append, calibrate=file)
    assert len(told) == 1 and "other weights" in told[0]
    made = engine.predict(ball_patient(), PredictionOptions(samples=1)).provenance
    assert any("other weights" in warning for warning in made.warnings), "who only reads prediction.json learns it too"
    foreign = AdaptiveCalibration(after="magdiff_adc")
    save_weights(foreign.build_network().state_dict(), WeightsHeader("adc", asdict(foreign)), tmp_path / "foreign.st")
    with pytest.raises(InputError, match="magdiff_adc"):
        load_calibration(tmp_path / "foreign.st", load_weights(weights))
    with pytest.raises(InputError, match="not a dose calibration"):
        load_calibration(weights, load_weights(weights))
    with pytest.raises(InputError, match="adc"):
        load_weights(file)
    with pytest.raises(InputError, match="No dose calibration ships.*--calibration-weights"):
        shipped_calibration("no-such-system")


def test_evaluate_tells_whom_the_calibration_was_trained_on(calibrated_run, weights, tmp_path, capsys):
    _, _, file = calibrated_run
    patient = replace(ball_patient(), reference_dose=ball_dose())
    write_patient_folder(patient, tmp_path / "set" / "ball")
    read = read_weights(weights)
    stranger = replace(read.header, training={**read.header.training, "patient_digests": ["deadbeef"]})
    save_weights(read.state, stranger, tmp_path / "other.safetensors")
    made = read_weights(file)
    seen = {"patient_digests": [patient_digest(patient)]}
    adc = tmp_path / "adc.safetensors"
    save_weights(made.state, replace(made.header, training={**made.header.training, **seen}), adc)
    arguments = ["evaluate", str(tmp_path / "set"), "--weights", str(tmp_path / "other.safetensors"), "--device", "cpu"]
    assert main([*arguments, "-o", str(tmp_path / "plain")]) == 0
    assert json.loads((tmp_path / "plain" / "summary.json").read_text())["patients_trained_on"] == 0
    assert main([*arguments, "-o", str(tmp_path / "adc"), "--calibration-weights", str(adc)]) == 0
    assert json.loads((tmp_path / "adc" / "summary.json").read_text())["patients_trained_on"] == 1
    assert "don't hold for new ones" in capsys.readouterr().err


def test_training_refuses_the_weights_of_another_system(tmp_path, weights):
    with pytest.raises(InputError, match="from_weights"):
        CalibrationStage(TrainingConfig(train="", validation="", output=str(tmp_path), system="magdiff_adc",
                                        stage="calibration", from_weights=str(weights), device="cpu"))  # fmt: skip


def test_predict_and_evaluate_show_the_dose_with_and_without(calibrated_run, weights, tmp_path, capsys):
    _, _, file = calibrated_run
    write_patient_folder(patient(), tmp_path / "cases" / "ball")
    options = ["--weights", str(weights), "--calibration-weights", str(file), "--device", "cpu"]
    assert main(["predict", str(tmp_path / "cases" / "ball"), "-o", str(tmp_path / "out"), *options]) == 0
    assert (tmp_path / "out" / "dose_uncalibrated.nrrd").exists()
    made = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert made["dose_calibration"] == "weights.safetensors"
    assert main(["evaluate", str(tmp_path / "cases"), "-o", str(tmp_path / "scores"), *options]) == 0
    with open(tmp_path / "scores" / "structures.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["structure"] for row in rows} == {"PTV70", "PTV56", "SpinalCord", "Parotid_L", "Parotid_R"}
    assert {row["figure"] for row in rows} == {"MAE", "mean error", "D99%", "D95%", "D1%", "D0.1cc", "Dmean"}
    errors = [(float(row["error_gy"]), float(row["error_uncalibrated_gy"])) for row in rows if row["figure"] == "MAE"]
    assert all(0 <= with_it for with_it, _ in errors)
    assert np.mean([a for a, _ in errors]) < np.mean([b for _, b in errors])
    summary = json.loads((tmp_path / "scores" / "summary.json").read_text())
    everything = summary["all_structures"]
    assert everything["mae_gy"] == pytest.approx(np.mean([a for a, _ in errors]), abs=1e-3)
    assert everything["mae_uncalibrated_gy"] == pytest.approx(np.mean([b for _, b in errors]), abs=1e-3)
    assert summary["dose_calibration"] == "weights.safetensors"
    assert {"roughness_ratio", "roughness_ratio_uncalibrated"} <= set(summary["slices"])
    with open(tmp_path / "scores" / "slices.csv", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["roughness_gy"]) > 0 and float(row["roughness_uncalibrated_gy"]) > 0
    released = tmp_path / "release" / "adc-default.safetensors"
    command = ["release", str(file), "--summary", str(tmp_path / "scores" / "summary.json"), "--data", "one ball"]
    assert main([*command, "-o", str(released)]) == 0
    card = released.with_suffix(".md").read_text()
    assert (
        f"| all, mean absolute error | {everything['mae_uncalibrated_gy']:.3f} | {everything['mae_gy']:.3f} |" in card
    )
    assert "not for clinical decisions" in card and "one ball" in card
    again = load_calibration(released, load_weights(weights))
    assert again.belongs_to(load_weights(weights)) and again.header.validation["all_structures"] == everything
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "cases" / "ball"), "-o", str(tmp_path / "none"), "--weights", str(weights),
                 "--calibration-weights", str(tmp_path / "no.safetensors")]) == 2  # fmt: skip
    assert "no.safetensors" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "more"),
    [("predict", []), ("predict", ["--system", "default"]), ("predict", ["--target", "ct"]), ("evaluate", [])],
)
def test_a_calibration_given_as_weights_is_told_where_it_belongs(command, more, calibrated_run, tmp_path, capsys):
    write_patient_folder(patient(), tmp_path / "cases" / "ball")
    file = str(calibrated_run[2])
    told = refused([command, str(tmp_path / "cases"), "-o", str(tmp_path / "out"), "--weights", file, *more], capsys)
    assert "holds a dose calibration" in told and "give it with --calibration-weights" in told
    assert CALIBRATION == AdaptiveCalibration.name and not (tmp_path / "out").exists()
