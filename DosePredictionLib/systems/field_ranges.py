"""Whether what a configuration gives a system's fields lies where it can."""

from __future__ import annotations

from typing import Any, get_type_hints

from DosePredictionLib.conditioning.channels import CHANNELS, MORE_CHANNELS, OAR_CHANNELS

#: Probabilities and shares of the draws.
_SHARES = ("drop", "dropout", "pure_noise", "hidden", "dose_share", "ct_share", "eta")
#: Other numbers that can't be negative, and those that can't be 0 either.
_NOT_NEGATIVE = ("noise_length_mm", "limits_gy")
_POSITIVE = ("latent_scale", "shift")
#: Whole numbers, by themselves or in lists, and their least values.
_WHOLE = {
    "widths": 1, "ct_widths": 1, "width": 1, "head_width": 1, "groups": 1, "condition_width": 1, "tokens": 1, "fold": 1,
    "latent": 1, "features": 1, "hidden": 1, "heads": 1, "layers": 1, "feed_forward": 1, "merge": 1, "merged_hidden": 1,
    "patch": 1, "field_of_view": 1, "diffusion_steps": 1, "noise_steps": 1, "sampling_steps": 1, "blocks": 0,
    "attention": 0, "fusion_blocks": 0, "overlap": 0, "radii": 0, "guidance": 0, "slot_width": 0, "fine": 0,
}  # fmt: skip
#: Which voxels are targets is learnt from this channel and judged by it.
_TARGETS = "prescription"


def out_of_range(system: type, config: dict[str, object]) -> str:
    """The first field whose value is none that it can have, as part of a sentence.

    Args:
        system: the data class.
        config: its fields, all of their kinds (`field_kinds.misfit`).

    Returns:
        Such as ``drop is 5; give a number from 0 to 1``; empty when all values can be.
    """
    kinds = get_type_hints(system)
    needed = (_TARGETS, "ct") if "ct_widths" in kinds else (_TARGETS,)  # of a CT encoder
    for name, value in config.items():
        wanted = _channels_wanted(value, needed) if name == "channels" else _wanted(name, kinds.get(name), value)
        if wanted:
            return f"{name} is {value!r}; give {wanted}"
    return ""


def _wanted(name: str, kind: Any, value: Any) -> str:
    """What a value that can't be should have been; empty when it can be."""
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if name in ("widths", "ct_widths") and not values:
        return "a width for each level"
    if name == "limits_gy" and len(values) != len(OAR_CHANNELS):
        return f"a limit each for {', '.join(OAR_CHANNELS)}"
    if kind in (float, float | None) and name in _SHARES:
        return "" if all(0 <= one <= 1 for one in values) else "a number from 0 to 1"
    if name in _POSITIVE:
        return "" if all(one > 0 for one in values) else "a number above 0"
    if name in _NOT_NEGATIVE:
        return "" if all(one >= 0 for one in values) else "no number below 0"
    least = _WHOLE.get(name)
    return "" if least is None or all(one >= least for one in values) else f"no whole number below {least}"


def _channels_wanted(names: Any, needed: tuple[str, ...]) -> str:
    """What a list of channels lacks, or holds that no patient has."""
    unknown = [name for name in names if name not in (*CHANNELS, *MORE_CHANNELS)]
    if unknown:
        return f"no {unknown[0]!r} but names out of {', '.join((*CHANNELS, *MORE_CHANNELS))}"
    if len(set(names)) < len(names):
        return "each of them once"
    partners = [name[:-1] + ("R" if name.endswith("_L") else "L") for name in names if name.endswith(("_L", "_R"))]
    alone = [name for name in partners if name not in names]
    if alone:
        return f"{alone[0]} too: patients are mirrored"
    missing = [name for name in needed if name not in names]
    return f"{missing[0]} among them" if missing else ""
