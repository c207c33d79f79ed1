"""What the fields of a training configuration can be."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from DosePredictionLib.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Whole numbers and their least values.
_WHOLE = {
    "steps": 1, "decay_steps": 0, "batch": 1, "low_rank": 0, "slices": 1, "patches": 0, "warmup_steps": 0,
    "coarse_steps": 0, "unturned_steps": 0, "validate_every": 1, "checkpoint_every": 1, "patience": 0,
    "validation_cases": 0, "seed": 0, "threads": 0, "workers": 1, "devices": 1,
}  # fmt: skip
#: Numbers, and what they lie between; None has no bound, and the bounds themselves are allowed but for ``ema`` 1.
_NUMBERS: dict[str, tuple[float, float | None]] = {
    "mixup": (0.0, None), "mixed_batches": (0.0, 1.0), "clinical_weight": (0.0, None), "learning_rate": (0.0, None),
    "cosine_to": (0.0, None),
    "weight_decay": (0.0, None), "ema": (0.0, 1.0), "turn_probability": (0.0, 1.0), "turn_degrees": (0.0, 360.0),
    "beam_turn_share": (0.0, 1.0), "resize": (0.0, 0.9), "stretch_probability": (0.0, 1.0),
    "stretch": (0.0, 0.3), "upside_down": (0.0, 1.0), "quarter_turns": (0.0, 1.0), "curve_weight": (0.0, None),
    "criteria_weight": (0.0, None),
}  # fmt: skip
_TEXTS = (
    "train", "validation", "output", "cache", "system", "stage", "from_weights", "optimiser", "device", "strategy",
)  # fmt: skip
_OBJECTS = ("system_config", "post_training")
_SWITCHES = ("names_kept", "compile")


def check_fields(config: DataclassInstance) -> None:
    """Check the kind and range of each field of a `TrainingConfig`.

    Raises:
        InputError: one of them is of another kind or out of its range; the sentence names it.
    """
    optional = {field.name for field in fields(config) if field.default is None}
    for name in (*_WHOLE, *_NUMBERS, *_TEXTS, *_OBJECTS, *_SWITCHES):
        value = getattr(config, name)
        wanted = None if value is None and name in optional else _wanted(name, value)
        if wanted:
            raise InputError(f"The training configuration's {name} is {value!r}; give {wanted}.")


def check_canvas_sizes(canvas: object) -> None:
    """Check that a training configuration's canvas is None or three sizes.

    Raises:
        InputError: it is something else.
    """
    three = isinstance(canvas, tuple) and len(canvas) == 3 and all(_is_whole(size) and size > 0 for size in canvas)
    if canvas is not None and not three:
        shown = list(canvas) if isinstance(canvas, tuple) else canvas
        raise InputError(f"The training configuration's canvas is {shown!r}; give three numbers of voxels.")


def _wanted(name: str, value: Any) -> str:
    """What a field should be; empty when it is."""
    if name in _WHOLE:
        least = _WHOLE[name]
        return "" if _is_whole(value) and value >= least else f"a whole number, at least {least}"
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        fits = number and low <= value and (high is None or value <= high) and not (name == "ema" and value == 1)
        return "" if fits else f"a number from {low:g}" + ("" if high is None else f" to {high:g}")
    if name in _TEXTS:
        return "" if isinstance(value, str) else "a text"
    if name in _OBJECTS:
        return "" if isinstance(value, dict) else "a JSON object in braces"
    return "" if isinstance(value, bool) else "true or false"


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
