"""The library's face: a predictor for scripts, the panel and the command line."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.goal_choice import best_goal_set
from DosePredictionLib.dosimetry.goals import GoalResult, evaluate_goals, goals_of
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.options import PredictionOptions, Provenance
from DosePredictionLib.inference.progress import Progress
from DosePredictionLib.json_file import write_json
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import MEASURED_ROLES
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.client import WorkerClient
from DosePredictionLib.worker.events import Advanced, Event, Failed, Finished, Stopped, Told


class UnusableModel(InputError):
    """The model or the device can't be used, whoever the patient is."""


class PredictionFailed(RuntimeError):
    """The prediction process failed through no fault of the input."""


class PredictionStopped(Exception):
    """The prediction was cancelled."""


@dataclass(frozen=True)
class Prediction:
    """A predicted dose with its patient.

    Attributes:
        patient: whose dose it is.
        dose: Gy on the patient's grid.
        dose_std: its uncertainty, Gy: the half-width of the 68 % interval where the weights have a calibration, else
            the standard deviation over the samples; None for one sample.
        provenance: how it was made.
        uncalibrated: the dose before its calibration, Gy; None where there was none.
    """

    patient: Patient
    dose: Volume
    dose_std: Volume | None
    provenance: Provenance
    uncalibrated: Volume | None = None

    @cached_property
    def dvhs(self) -> dict[str, Dvh]:
        """A DVH for each structure that is measured, by the structure's name."""
        return patient_dvhs(self.patient, self.dose)

    @cached_property
    def dvh_bands(self) -> dict[str, tuple[Dvh, Dvh]] | None:
        """DVHs of the dose less and plus its uncertainty, by the structure's name; None where there is none.

        The uncertainty is one standard deviation, unless the weights say by how many the DVHs' own band is as wide.
        """
        if self.dose_std is None:
            return None
        dose, std = self.dose.array, self.dose_std.array * np.float32(self.provenance.dvh_band)
        low, high = (
            patient_dvhs(self.patient, Volume(array, self.dose.geometry))
            for array in (np.maximum(dose - std, 0.0), dose + std)
        )
        return {name: (low[name], high[name]) for name in low}

    def beside(self, reference_dose: Volume | None, fractions: int | None) -> Prediction:
        """The same dose in the same structures, beside another reference dose and for another number of fractions.

        DVHs of it that are known stay known: for a large CT they take seconds.
        """
        patient = replace(self.patient, reference_dose=reference_dose, fractions=fractions)
        other = replace(self, patient=patient)
        other.__dict__.update({name: self.__dict__[name] for name in ("dvhs", "dvh_bands") if name in self.__dict__})
        return other

    def goals(self, goals: str | Path | None = None) -> list[GoalResult]:
        """The dose held against goals: the name of a bundled set, or a JSON file.

        None takes the bundled set that suits the patient's site and fractions best, as the command line does.

        Raises:
            InputError: there is no such set, or the file is not valid.
        """
        taken = best_goal_set(self.patient).name if goals is None else goals
        return evaluate_goals(goals_of(taken), self.patient, self.dose, self.dvhs)

    def write_provenance(self, path: str | Path) -> None:
        """Write prediction.json; it appears whole or not at all."""
        write_json(path, asdict(self.provenance))


def patient_dvhs(patient: Patient, dose: Volume) -> dict[str, Dvh]:
    """A DVH for each non-empty structure of a patient that is measured, by the structure's name."""
    return {
        structure.name: compute_dvh(dose, structure)
        for structure in patient.structures
        if structure.role in MEASURED_ROLES and structure.mask.array.any()
    }


def prediction_of(patient: Patient, event: Finished) -> Prediction:
    """The prediction of a patient out of the event that brought its dose.

    Raises:
        PredictionFailed: the dose is another patient's, or lies on another grid.
    """
    made = event.provenance
    if made.patient != patient.identifier or not event.dose.geometry.is_close(patient.geometry):
        raise PredictionFailed(
            f"The prediction process gave a dose of {made.patient} that is not the one asked for {patient.identifier}, "
            "so it is not used; predict again."
        )
    return Prediction(patient, event.dose, event.dose_std, made, event.uncalibrated)


class Predictor:
    """Predicts in a process of its own that stays warm until `close`, or until nobody holds the predictor any more.

    ``with Predictor("default") as predictor: prediction = predictor.predict(patient, samples=4)``

    Without blocking: `submit`, then `poll` for events, and `cancel`.

    Args:
        system: name of the system.
        weights: a weights file; None takes the one that ships.
        device: "auto", "cpu", "cuda" or "mps".
        client: replaces the process's client (tests).
        calibrate: refine the dose inside the structures (Adaptive Dose Calibration): True with the calibration that
            ships for the system, or a calibration's file.
    """

    def __init__(
        self, system: str = "default", weights: str | Path | None = None, device: str = "auto",
        client: WorkerClient | None = None, calibrate: bool | str | Path = False,
    ) -> None:  # fmt: skip
        self._client = client or WorkerClient(system, weights, device, calibrate=calibrate)
        self._waits = threading.Lock()
        weakref.finalize(self, _close_unheld, self._client, os.getpid())

    def __enter__(self) -> Predictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Load the weights ahead of the first prediction."""
        self._client.start()

    def submit(self, patient: Patient, *, samples: int | None = None, steps: int | None = None, seed: int = 0) -> int:
        """Begin a prediction and return at once with its number, which its events carry as ``request``.

        Raises:
            RuntimeError: one is already under way.
        """
        return self._client.submit(patient, PredictionOptions(samples, steps, seed))

    def poll(self) -> list[Event]:
        """What happened since the last call."""
        return self._client.poll()

    def cancel(self) -> None:
        """Stop the prediction under way within two seconds; `poll` then gives `Stopped`."""
        self._client.cancel()

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._client.busy

    @property
    def log(self) -> str:
        """What the prediction process wrote for people."""
        return self._client.log

    def predict(
        self,
        patient: Patient,
        *,
        samples: int | None = None,
        steps: int | None = None,
        seed: int = 0,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_message: Callable[[str], None] = lambda text: None,
    ) -> Prediction:
        """Predict and wait for it. An interrupt (Ctrl-C) cancels, and so does what ``on_progress`` raises.

        Raises:
            InputError: the patient or the weights (`UnusableModel`) can't be used; the message says what to do.
            PredictionFailed: the process failed.
            PredictionStopped: another thread cancelled or closed the predictor.
            RuntimeError: a prediction is already under way.
        """
        patient = check_patient(patient)  # what is measured on is what the process predicts
        if not self._waits.acquire(blocking=False):  # two that wait would take each other's events
            raise RuntimeError("a prediction is already under way")
        try:
            number = self.submit(patient, samples=samples, steps=steps, seed=seed)
            try:
                return self._awaited(number, patient, on_progress, on_message)
            except BaseException:
                self._client.abandon(number)
                raise
        finally:
            self._waits.release()

    def _awaited(
        self, number: int, patient: Patient, on_progress: Callable[[Progress], None], on_message: Callable[[str], None]
    ) -> Prediction:
        while True:
            event = self._client.wait(0.5)
            if event is None or not event.concerns(number):
                continue  # of an earlier prediction that nobody waited for
            if isinstance(event, Advanced):
                on_progress(event.progress)
            elif isinstance(event, Told):
                on_message(event.text)
            elif isinstance(event, Finished):
                return prediction_of(patient, event)
            elif isinstance(event, Failed):
                if event.by_input and event.for_all:
                    raise UnusableModel(event.text)
                raise InputError(event.text) if event.by_input else PredictionFailed(event.text)
            elif isinstance(event, Stopped):
                raise PredictionStopped("the prediction was cancelled")

    def close(self) -> None:
        """End the process."""
        self._client.close()


def _close_unheld(client: WorkerClient, owner: int) -> None:
    """End the process of a predictor that is gone without having been closed, unless it is a forked child's copy."""
    if os.getpid() != owner or (client.process_id is None and not client.busy):
        return
    if threading.main_thread().is_alive():
        # It may go at any moment, in any thread, which is not kept waiting. No daemon: Python ends after it.
        threading.Thread(target=client.close).start()
    else:  # Python is ending, and threads with it
        client.close()
