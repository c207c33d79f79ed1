"""Which image files were left by ``predict``: the file beside them that says how they were made tells."""

from __future__ import annotations

from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.image_file import image_stem

#: What a prediction leaves with its doses, and by which they are known.
PREDICTION = "prediction.json"
#: The dose itself, in the one or the other format; of all that a prediction leaves it comes last.
PREDICTED_DOSES = ("dose.nrrd", "dose.nii.gz")


def holds_prediction(folder: Path) -> bool:
    """Whether a prediction left its ``prediction.json`` in a folder; another program's file of that name is none."""
    return "weights" in _said(folder / PREDICTION)


def check_is_whole(folder: Path) -> None:
    """Refuse a folder whose prediction was broken off between its files, as by a kill: the dose is missing.

    Raises:
        InputError: ``prediction.json`` is there and the dose is not.
    """
    if holds_prediction(folder) and not any((folder / name).exists() for name in PREDICTED_DOSES):
        raise InputError(
            f"The prediction in {folder} is incomplete: its {PREDICTION} is there and its dose is not, as when predict "
            "is ended while it writes; predict again into that folder."
        )


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
