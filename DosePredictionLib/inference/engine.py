"""Predicts doses; lives in the worker process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from DosePredictionLib.conditioning.channels import ModelInput, model_input
from DosePredictionLib.conditioning.way_back import WayBack
from DosePredictionLib.dosimetry.named_dose import CALIBRATED
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.calibration import DoseCalibration, load_calibration
from DosePredictionLib.inference.device import (
    choose_device,
    describe_device,
    is_out_of_main_memory,
    is_out_of_memory,
)
from DosePredictionLib.inference.ensemble import Draw, Ensemble
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.package_versions import package_versions
from DosePredictionLib.inference.progress import Progress, ProgressReporter
from DosePredictionLib.inference.shipped_weights import default_weights, shipped_calibration
from DosePredictionLib.inference.uncertainty import UncertaintyCalibration
from DosePredictionLib.inference.weights import LoadedWeights, load_weights
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import ct_digest
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.review.plan_digest import plan_digest
from DosePredictionLib.review.review import review_prediction

Done = TypeVar("Done")


@dataclass(frozen=True)
class PredictedDose:
    """A predicted dose on the patient's grid.

    Attributes:
        dose: mean of the samples, Gy.
        dose_std: the half-width of the 68 % interval, Gy, where the weights have a calibration, else the standard
            deviation over the samples; None for a single sample.
        provenance: how it was made.
        uncalibrated: the mean of the samples before the dose calibration; None where there was none.
    """

    dose: Volume
    dose_std: Volume | None
    provenance: Provenance
    uncalibrated: Volume | None = None


class PredictionEngine:
    """A system's weights on a device.

    Args:
        system: name of the system.
        weights: a weights file; None takes the one that ships with the system.
        device: "auto", "cpu", "cuda", "mps".
        tell: receives messages for the user, one sentence each (such as a fall back to the processor).
        calibrate: refine the dose inside the structures: True with the calibration that ships, or a calibration's file.
    """

    def __init__(
        self, system: str = "default", weights: str | Path | None = None, device: str = "auto",
        tell: Callable[[str], None] = lambda message: None, calibrate: bool | str | Path = False,
    ) -> None:  # fmt: skip
        self._tell = tell
        self.device = choose_device(device, tell)
        self.loaded: LoadedWeights = load_weights(weights if weights is not None else default_weights(system))
        self.ensemble = Ensemble(self.loaded)
        self._with_enough_memory(self._networks_to_device)
        fitted: dict[str, Any] = self.loaded.header.uncertainty
        self.calibration = UncertaintyCalibration(**fitted) if fitted else None
        self.dose_calibration: DoseCalibration | None = None
        if calibrate:
            file = shipped_calibration(self.loaded.header.system) if calibrate is True else calibrate
            self.dose_calibration = load_calibration(file, self.loaded)
            for sentence in self._foreign_calibration():
                tell(sentence)

    def predict(
        self,
        patient: Patient,
        options: PredictionOptions,
        report: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> PredictedDose:
        """Predict the dose of a patient.

        Every second sample sees the patient's mirror image, which the networks are trained on too; networks that were
        trained on patients upside down see those too (`views`), and the companions of the weights draw their share of
        the samples. Where the weights say so, each sample also lies elsewhere in the network's grid
        (`DefaultSystem.placed`). Averaging them takes away some of the error.

        Raises:
            InputError: the patient can't be predicted.
            Cancelled: ``cancelled`` said so.
        """
        began = time.perf_counter()
        draws = self.ensemble.draws(options.samples or self._recommended_samples, options.steps)
        reporter = ProgressReporter(sum(draw.steps for draw in draws), report, cancelled)
        reporter.enter("conditioning")
        patient = check_patient(patient)
        names = self.loaded.header.config["channels"]
        inputs = model_input(patient, tuple(names))  # type: ignore[arg-type]
        conditioned = time.perf_counter()
        reporter.enter("sampling")
        mean, deviation = self._sample_all(inputs, draws, options.seed, reporter)
        sampled = time.perf_counter()
        reporter.enter("finishing")
        way_back, uncalibrated = WayBack(inputs.region, inputs.geometry, patient), None
        if self.dose_calibration is not None:
            uncalibrated = way_back.dose(mean)
            mean = self._with_enough_memory(partial(self._calibrated, self.dose_calibration, inputs, mean))
        dose = way_back.dose(mean)
        dose_std = None
        if deviation is not None:
            if self.calibration is not None:
                calibrated = self.calibration.standard_deviation(mean, deviation, inputs.prescription_gy)
                deviation = np.where(inputs.region, calibrated, np.float32(0.0))
            dose_std = way_back.dose(deviation)
        trained_on = str(self.loaded.header.training.get("data", ""))
        unusual = self.calibration.unusual_percent if self.calibration else None
        review = review_prediction(
            patient, dose, dose_std, trained_on=trained_on, channels=inputs.names, unusual_percent=unusual
        )
        finished = time.perf_counter()
        seconds = {
            "conditioning": round(conditioned - began, 3),
            "sampling": round(sampled - conditioned, 3),
            "finishing": round(finished - sampled, 3),
            "total": round(finished - began, 3),
        }
        provenance = self._provenance(patient, draws, options.seed, seconds)
        warnings = (*provenance.warnings, *(warning.text for warning in review))
        provenance = replace(
            provenance, warnings=warnings, review=review, channels=tuple(inputs.names), unusual_percent=unusual
        )
        return PredictedDose(dose, dose_std, provenance, uncalibrated)

    def sampled_dose(self, inputs: ModelInput, seed: int = 0, samples: int | None = None) -> np.ndarray:
        """The mean of samples in Gy on the model's grid, as a calibration is trained on: of the recommended ones.

        Args:
            inputs: of the model.
            seed: of the noise.
            samples: so many instead.
        """
        draws = self.ensemble.draws(samples or self._recommended_samples)
        reporter = ProgressReporter(sum(draw.steps for draw in draws), lambda progress: None, lambda: False)
        return self._sample_all(inputs, draws, seed, reporter)[0]

    @property
    def _recommended_samples(self) -> int:
        return self.loaded.header.recommended.get("samples", 1)

    def _sample_all(
        self, inputs: ModelInput, draws: Sequence[Draw], seed: int, reporter: ProgressReporter
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and standard deviation over the samples (Welford's recurrence: no sample is kept)."""
        mean = np.zeros(inputs.region.shape, dtype=np.float32)
        squares = np.zeros_like(mean)
        for index, draw in enumerate(draws):
            seen = draw.view.of(inputs.only(draw.member.system.channels))
            one = draw.view.back(self._sample(draw, seen, seed * 1000 + index, reporter))
            change = one - mean
            mean += change / (index + 1)
            squares += change * (one - mean)
        return mean, np.sqrt(squares / (len(draws) - 1)) if len(draws) > 1 else None

    def _sample(self, draw: Draw, inputs: ModelInput, seed: int, reporter: ProgressReporter) -> np.ndarray:
        done, system = reporter.step, draw.member.system

        def attempt() -> np.ndarray:
            reporter.step = done
            return system.sample_dose(draw.member.network, inputs, draw.steps, seed, lambda _: reporter.advance())

        return self._with_enough_memory(attempt)

    def _calibrated(self, calibration: DoseCalibration, inputs: ModelInput, dose_gy: np.ndarray) -> np.ndarray:
        return calibration.apply(inputs, dose_gy, self.device)

    def _networks_to_device(self) -> None:
        for member in self.ensemble.members:
            member.network.to(self.device)

    def _with_enough_memory(self, work: Callable[[], Done]) -> Done:
        """What ``work`` does on the device, or once more on the processor where the device's memory ran out.

        Raises:
            InputError: the computer's own memory ran out.
        """
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if is_out_of_main_memory(error):
                raise InputError(
                    "This computer's memory ran out; close other programs, or predict on one that has more."
                ) from error
            if self.device.type == "cpu" or not is_out_of_memory(error):
                raise
        # Outside the handler, so that the failed attempt's tensors are free before the second one begins.
        name = describe_device(self.device)
        self._tell(f"The memory of {name} ran out; going on with the processor, which is slower.")
        self.device = torch.device("cpu")
        self._networks_to_device()
        return self._with_enough_memory(work)

    def _provenance(self, patient: Patient, draws: Sequence[Draw], seed: int, seconds: dict[str, float]) -> Provenance:
        samples, steps = len(draws), draws[0].steps
        return Provenance(
            system=self.loaded.header.system,
            weights=self.loaded.path.name,
            weights_sha256=self.loaded.sha256,
            companions=tuple(self._companion(one, draws) for one in self.loaded.companions),
            trained_on=str(self.loaded.header.training.get("data", "")),
            patient=patient.identifier,
            ct_digest=ct_digest(patient) or "",
            plan_digest=plan_digest(patient),
            samples=samples,
            steps=steps,
            seed=seed,
            device=self.device.type,
            device_name=describe_device(self.device),
            seconds=seconds,
            versions=package_versions(),
            structures=tuple(
                f"{s.name} -> {s.role.value}"
                + (f" {s.standard_name}" if s.standard_name else "")
                + (f" {s.prescription_gy:g} Gy" if s.prescription_gy else "")
                for s in patient.structures
            ),
            views=tuple(draw.view.words for draw in draws),
            warnings=(*patient.warnings, *self._foreign_calibration()),
            uncertainty=self._uncertainty(draws),
            dvh_band=self.calibration.dvh_68 if self.calibration and samples > 1 else 1.0,
            dose_calibration=self.dose_calibration.path.name if self.dose_calibration else "",
            dose_calibration_sha256=self.dose_calibration.sha256 if self.dose_calibration else "",
        )

    def _foreign_calibration(self) -> list[str]:
        if self.dose_calibration is None or self.dose_calibration.belongs_to(self.loaded):
            return []
        return [f"{self.dose_calibration.path.name} was trained on samples of other weights than these."]

    @staticmethod
    def _companion(companion: LoadedWeights, draws: Sequence[Draw]) -> str:
        """Which file it is, and its steps where they are not those of the weights themselves."""
        steps = next((draw.steps for draw in draws if draw.member is companion), draws[0].steps)
        other = "" if steps == draws[0].steps else f", {steps} {'step' if steps == 1 else 'steps'} a sample"
        return f"{companion.path.name} (sha256 {companion.sha256}{other})"

    def _uncertainty(self, draws: Sequence[Draw]) -> str:
        """What the standard deviation is worth."""
        if len(draws) == 1:
            return "none: a single sample has no spread"
        if self.calibration is None:
            return "not calibrated: the spread of the samples"
        recommended = self.loaded.header.recommended
        said = f"{CALIBRATED} on {self.calibration.patients} validation patients"
        if self.dose_calibration is not None:
            said += " without the dose calibration, so only roughly right for the calibrated dose"
        told = "samples" in recommended and "steps" in recommended
        as_told = [draw.steps for draw in self.ensemble.draws(self._recommended_samples)]
        if told and [draw.steps for draw in draws] == as_told:
            return said
        return (
            f"{said} for another choice (samples: {recommended.get('samples')}, steps: {recommended.get('steps')}), "
            "so only roughly right here"
        )
