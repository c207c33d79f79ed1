"""Training that goes on from finished weights: a run prolonged, or shipped weights fitted to a department's plans."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from torch import nn

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights import LoadedWeights, load_weights
from DosePredictionLib.systems.system import System

#: Fields of a system that say how doses are drawn in training and sampled: a second run of the same network may have
#: others.
DRAWS = ("pure_noise", "drop", "dropout", "dose_share", "ct_share", "hidden", "sampling_steps", "placed")
#: Fields that say which parts stand beside the others, and are 0 where there is none. What a new part adds begins as
#: nothing, so a network that has it may start from weights that don't.
PARTS = ("fine",)


def network_to_train(system: System, source: str | Path | None) -> nn.Module:
    """A system's network with fresh weights, or with those of a weights file of this project.

    Args:
        system: the configuration's.
        source: the file (weights in eight bits are as good a start as others); None for fresh weights.

    Raises:
        InputError: there is no such file, it is damaged, or it is of another system than the configuration asks for.
    """
    network = system.build_network()
    if source is None:
        return network
    loaded = load_weights(source)
    check_same_network(loaded, system)
    load_into(network, loaded)
    return network


def check_same_network(loaded: LoadedWeights, system: System) -> None:
    """Check that weights are of the network that a configuration asks for: parameters alone don't tell.

    Args:
        loaded: the weights.
        system: the configuration's.

    Raises:
        InputError: they are of another system, or a field that says something of the network differs (but see `DRAWS`
            and `PARTS`).
    """
    if loaded.header.system != system.name:
        raise InputError(
            f"{loaded.path} holds weights of the system {loaded.header.system!r}, not {system.name!r}; make the two "
            "agree."
        )
    here, there = (
        {name: value for name, value in json.loads(json.dumps(asdict(one))).items() if name not in DRAWS}  # type: ignore[call-overload]
        for one in (system, loaded.system)
    )
    differing = [
        f"{name} is {there[name]!r} there and {here[name]!r} here"
        for name in here
        if here[name] != there[name] and not (name in PARTS and there[name] == 0)
    ]
    if differing:
        raise InputError(
            f"The weights {loaded.path} are of another network than the configuration asks for "
            f"({'; '.join(differing)}); give both the same system_config."
        )


def load_into(network: nn.Module, loaded: LoadedWeights) -> None:
    """Load the state of a weights file into a network; parts that are not in the file keep their own (see `PARTS`).

    Raises:
        InputError: the network has other parameters.
    """
    new = {name: value for name, value in network.state_dict().items() if name.split(".")[0] in PARTS}
    try:
        network.load_state_dict(new | loaded.network.state_dict())
    except RuntimeError as error:
        problem = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise InputError(
            f"The weights {loaded.path} are of another network than the configuration asks for ({problem}); give both "
            "the same system_config."
        ) from error
