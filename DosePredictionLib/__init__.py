"""Radiotherapy dose prediction by conditional diffusion. Research use, not for clinical decisions.

The face of the library; everything is loaded on first use, so that importing it costs nothing::

    from DosePredictionLib import Predictor, read_patient

    patient = read_patient("case/")
    with Predictor("default") as predictor:
        prediction = predictor.predict(patient, seed=0)
    prediction.dose.write("dose.nrrd")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from DosePredictionLib.errors import InputError
    from DosePredictionLib.patient.reading import read_patient
    from DosePredictionLib.worker.predictor import Prediction, Predictor

__all__ = ["InputError", "Prediction", "Predictor", "read_patient"]

_HOMES = {
    "InputError": "DosePredictionLib.errors",
    "Prediction": "DosePredictionLib.worker.predictor",
    "Predictor": "DosePredictionLib.worker.predictor",
    "read_patient": "DosePredictionLib.patient.reading",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
