"""Whether a stage's network can take a training configuration's canvas."""

from __future__ import annotations

from DosePredictionLib.errors import InputError
from DosePredictionLib.training.config import TrainingConfig


def check_canvas(
    config: TrainingConfig, multiples: tuple[int, int, int], least: tuple[int, int, int] = (1, 1, 1)
) -> None:
    """Check that a stage's network can take the configuration's canvas.

    Args:
        config: its canvas may be None, which fits.
        multiples: of which the sizes must be, voxels (z, y, x).
        least: sizes, voxels (z, y, x).

    Raises:
        InputError: the network can't; the sentence names what it can.
    """
    if config.canvas is None:
        return
    sizes = zip(config.canvas, multiples, least, strict=True)
    if any(size % multiple or size < lowest for size, multiple, lowest in sizes):
        wanted = f"multiples of {list(multiples)!r}"
        if least != (1, 1, 1):
            wanted += f", and at least {list(least)!r}"
        raise InputError(
            f"The training configuration's canvas is {list(config.canvas)!r}, which the network of {config.system!r} "
            f"can't halve; give {wanted} voxels (z, y, x)."
        )
