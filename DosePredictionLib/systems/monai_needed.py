"""What to say when MONAI isn't there: the default system does without it."""

from __future__ import annotations

from importlib.util import find_spec

from DosePredictionLib.errors import InputError


def check_monai(system: str) -> None:
    """Raise a sentence that says what to install for a system made of MONAI's parts.

    Raises:
        InputError: monai or einops is not installed.
    """
    missing = [package for package in ("monai", "einops") if find_spec(package) is None]
    if missing:
        raise InputError(
            f"System {system!r} needs {' and '.join(missing)}, which is not installed; install DosePrediction with its "
            'extra "addiff", or pip install monai einops.'
        )
