"""Which image files were left by ``predict``: the file beside them that says how they were made tells."""

from __future__ import annotations

from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.image_file import image_stem

#: What a prediction leaves with its doses, and by which they are known.
PREDICTION = "prediction.json"


def holds_prediction(folder: Path) -> bool:
    """Whether a prediction left its ``prediction.json`` in a folder; another program's file of that name is none."""
    return "weights" in _said(folder / PREDICTION)


def is_predicted_dose(dose: Path) -> bool:
    """Whether a prediction's ``prediction.json`` lies beside a file ``dose.nrrd`` (or ``dose.nii.gz``, ...)."""
    return image_stem(dose).lower() == "dose" and holds_prediction(dose.parent)


def is_sampled_modality(image: Path) -> bool:
    """Whether an image was sampled by ``predict --target``, as ``ct.json`` beside ``ct.nrrd`` says."""
    modality = image_stem(image)
    return image.suffix == ".nrrd" and _said(image.with_name(f"{modality}.json")).get("modality") == modality


def _said(path: Path) -> dict[str, object]:
    """What a file says of how something was made; empty where there is none, or one of another program's."""
    if not path.is_file():
        return {}
    try:
        said = read_json(path, "how an image was made")
    except InputError:
        return {}
    return said if isinstance(said, dict) else {}
