"""How a run's settings changed while it was prolonged, so that its weights say what they were trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError

#: Settings that change neither the weights nor how they are used: of the computer, of what is looked at meanwhile.
_OF_NO_MATTER = {
    "output", "cache", "checkpoint_every", "threads", "workers", "device", "compile", "companions", "weight_bits",
}  # fmt: skip
#: Settings of how the best weights are looked for: of no matter to a run that leaves its last ones.
_OF_THE_BEST = {"validation", "validate_every", "validation_cases"}
#: Settings that leave a trace when a run goes on, but with which a finished one may be looked at again.
_OF_THE_WAY = {"train", "devices", "strategy", "patience", *_OF_THE_BEST}
#: Folders, of which only the last two names are told: where somebody keeps data is nobody else's business.
_FOLDERS = ("train", "validation")
#: Settings of what is trained: another network's run can't be gone on with.
_OF_THE_NETWORK = ("system", "system_config", "stage", "from_weights", "low_rank")
#: Settings that say how long a run is: a finished one may be prolonged.
_OF_LENGTH = {"steps", "decay_steps", "unturned_steps", "cosine_to"}


def settings_before(stored: dict[str, Any], config: dict[str, Any], step: int, output: Path) -> dict[str, Any]:
    """The settings that a checkpoint was reached with and that differ now, as ``{"until_step": ..., name: value}``.

    Args:
        stored: the checkpoint's configuration.
        config: that of now.
        step: the checkpoint's.
        output: the run's folder, for what is said.

    Returns:
        Nothing where nothing that matters differs.

    Raises:
        InputError: the run is of another network, or is finished and nothing would be trained with the new settings.
    """
    before, now = (json.loads(json.dumps(one)) for one in (stored, config))  # tuples and lists alike
    for one in (before, now):
        # Data that were moved are the same data; whose they are, the patients' digests say.
        one.update({name: short_name(one[name]) for name in _FOLDERS if name in one})
    differing = {name: before[name] for name in now if name in before and before[name] != now[name]}
    of_the_network = [name for name in _OF_THE_NETWORK if name in differing]
    if of_the_network:
        raise InputError(
            f"{output} holds a run with another {of_the_network[0]}; give this one another output, or take that one "
            "away."
        )
    ends_early = bool(before.get("patience") or now.get("patience"))
    matter = {
        name: value for name, value in differing.items()
        if name not in _OF_NO_MATTER and (ends_early or name not in _OF_THE_BEST)
    }  # fmt: skip
    told = {name: value for name, value in matter.items() if name not in _OF_LENGTH}
    if step >= config["steps"]:
        told = {name: value for name, value in told.items() if name not in _OF_THE_WAY}
    if told and step >= config["steps"]:
        name = next(iter(told))
        raise InputError(
            f"The run in {output} has ended after {step} steps with {name} {told[name]!r}, not {now[name]!r}; give "
            "another output, or more steps to prolong it."
        )
    return {"until_step": step, **matter} if told else {}


def short_name(folder: str) -> str:
    """The last two names of a folder's path."""
    return f"{Path(folder).parent.name}/{Path(folder).name}"
