"""The prediction process without torch: its dose is the mean HU of the patient's CT everywhere, a step takes 10 ms.

Run by path, as `WorkerClient` runs the real one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

ENTRY_SCRIPT = Path(__file__).resolve()
if __name__ == "__main__":
    sys.path[0] = str(ENTRY_SCRIPT.parents[2])

from DosePredictionLib.inference.options import PredictionOptions, Provenance  # noqa: E402
from DosePredictionLib.inference.progress import Progress, ProgressReporter  # noqa: E402
from DosePredictionLib.patient.patient import Patient  # noqa: E402
from DosePredictionLib.patient.volume import Volume  # noqa: E402
from DosePredictionLib.worker.process import WorkerProcess  # noqa: E402

STEP_S = 0.01


class QuickEngine:
    """Stands for `PredictionEngine`."""

    device = "cpu"

    def predict(
        self,
        patient: Patient,
        options: PredictionOptions,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> SimpleNamespace:
        steps = options.steps or 1
        reporter = ProgressReporter(steps, report, cancelled)
        reporter.enter("sampling")
        for _ in range(steps):
            time.sleep(STEP_S)
            reporter.advance()
        dose = Volume(np.full(patient.geometry.shape, mean_hu(patient), np.float32), patient.geometry)
        provenance = Provenance(
            system="quick", weights="none", weights_sha256="", trained_on="nothing", patient=patient.identifier,
            samples=1, steps=steps, seed=options.seed, device="cpu", device_name="", seconds={"total": 0.0},
            versions={},
        )  # fmt: skip
        return SimpleNamespace(dose=dose, dose_std=None, provenance=provenance, uncalibrated=None)


def mean_hu(patient: Patient) -> float:
    """What the dose of a patient is."""
    assert patient.ct is not None
    return float(patient.ct.array.mean())


if __name__ == "__main__":
    sys.exit(WorkerProcess(sys.stdin, sys.stdout, lambda tell: QuickEngine()).serve())
