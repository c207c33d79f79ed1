"""The environment variables that the prediction process gets."""

from __future__ import annotations

from collections.abc import Mapping


def process_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's ``environment`` made one for the prediction process."""
    return {
        # Graphics cards are numbered as nvidia-smi numbers them, and the panel by it; CUDA's own order is by speed.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        **environment,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }
