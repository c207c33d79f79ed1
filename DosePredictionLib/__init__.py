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
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from DosePredictionLib.errors import InputError
    from DosePredictionLib.patient.geometry import Geometry
    from DosePredictionLib.patient.patient import Patient
    from DosePredictionLib.patient.reading import read_patient
    from DosePredictionLib.patient.structure import Structure, StructureRole
    from DosePredictionLib.patient.volume import Volume
    from DosePredictionLib.patient.writer_folder import write_patient_folder
    from DosePredictionLib.worker.predictor import Prediction, PredictionFailed, PredictionStopped, Predictor

__all__ = [
    "Geometry",
    "InputError",
    "Patient",
    "Prediction",
    "PredictionFailed",
    "PredictionStopped",
    "Predictor",
    "Structure",
    "StructureRole",
    "Volume",
    "read_patient",
    "write_patient_folder",
]

_HOMES = {
    "Geometry": "DosePredictionLib.patient.geometry",
    "InputError": "DosePredictionLib.errors",
    "Patient": "DosePredictionLib.patient.patient",
    "Prediction": "DosePredictionLib.worker.predictor",
    "PredictionFailed": "DosePredictionLib.worker.predictor",
    "PredictionStopped": "DosePredictionLib.worker.predictor",
    "Predictor": "DosePredictionLib.worker.predictor",
    "Structure": "DosePredictionLib.patient.structure",
    "StructureRole": "DosePredictionLib.patient.structure",
    "Volume": "DosePredictionLib.patient.volume",
    "read_patient": "DosePredictionLib.patient.reading",
    "write_patient_folder": "DosePredictionLib.patient.writer_folder",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is for others: the names above, whether loaded yet or not, and the packages that are."""
    loaded = {name for name, value in globals().items() if name.startswith("__") or isinstance(value, ModuleType)}
    return sorted(loaded | set(__all__))
