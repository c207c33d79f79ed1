"""Where the data that the product ships lie: models, goals, sample patients."""

from __future__ import annotations

import os
from pathlib import Path

from DosePredictionLib.errors import InputError

_LIBRARY = Path(__file__).resolve().parent


def resource_root() -> Path:
    """The folder that holds Models, Goals and SampleData.

    It lies beside the library in the source tree (and so in an unbuilt extension), inside the library after ``pip
    install``, and under the scripted modules' Resources in a built or packaged extension.
    ``DOSE_PREDICTION_RESOURCES`` overrides all of these.

    Raises:
        InputError: no such folder exists; the installation is incomplete.
    """
    override = os.environ.get("DOSE_PREDICTION_RESOURCES")
    places = [Path(override)] if override else [
        _LIBRARY / "Resources",
        _LIBRARY.parent / "Resources",
        _LIBRARY.parent / "Resources" / "DosePrediction",
    ]  # fmt: skip
    for place in places:
        if (place / "Models").is_dir():
            return place
    looked = ", ".join(str(place) for place in places)
    raise InputError(f"The folder with the models was not found (looked in {looked}); reinstall DosePrediction.")


def resource_path(*parts: str) -> Path:
    """Path of a shipped file, for example ``resource_path("Goals", "head-and-neck.json")``.

    Raises:
        InputError: there is no such file.
    """
    path = resource_root().joinpath(*parts)
    if not path.exists():
        raise InputError(f"{path} is missing; reinstall DosePrediction or check the name {parts[-1]!r}.")
    return path
