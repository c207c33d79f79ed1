"""The environment variables that the prediction process gets."""

from __future__ import annotations

from collections.abc import Mapping

#: Names the Python that the process runs in.
GIVEN_PYTHON = "DOSE_PREDICTION_PYTHON"
#: What Slicer's launcher sets for Slicer's own Python, and another one dies of.
_OF_SLICERS_PYTHON = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "DYLD_FRAMEWORK_PATH",
)  # fmt: skip
#: The launcher (CTK AppLauncher) keeps under this prefix what it found at its start.
_FOUND = "APPLAUNCHER_0_"


def card_order(environment: Mapping[str, str]) -> dict[str, str]:
    """What makes CUDA number graphics cards as nvidia-smi does, and the panel by it; its own order is by speed.

    Nothing where the user said which cards there are, by numbers of another order. It counts until CUDA is first used.
    """
    return {} if "CUDA_VISIBLE_DEVICES" in environment else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's ``environment`` made one for the prediction process.

    Where this is Slicer and the process runs in another Python than Slicer's, that one finds what it would have found
    outside of Slicer.
    """
    made = {**card_order(environment), **environment, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    if environment.get(GIVEN_PYTHON) and "APPLAUNCHER_LEVEL" in environment:
        for name in _OF_SLICERS_PYTHON:
            made.pop(name, None)
            if _FOUND + name in environment:
                made[name] = environment[_FOUND + name]
    return made
