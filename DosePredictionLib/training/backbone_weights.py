"""What a stage starts from: an earlier stage's weights, or a backbone in its published format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork
from DosePredictionLib.networks.backbone_config import backbone_config
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.start_weights import check_same_network, load_into


def with_backbone(config: TrainingConfig, folder: Path) -> TrainingConfig:
    """A configuration, started from the backbone in a folder and with the sizes that this has.

    Raises:
        InputError: there is none, or the system starts from none.
    """
    if config.system != DiffKT3DSystem.name:
        raise InputError(f"--backbone is for the system diffkt3d; the configuration names {config.system!r}.")
    return replace(config, from_weights=str(folder), system_config=backbone_config(folder, config.system_config))


def start_from(source: Path, network: AnyToAnyNetwork, system: DiffKT3DSystem) -> None:
    """Load weights into a freshly built network.

    Args:
        source: a weights file of this project, whose network must be this one; or a folder with a backbone in its
            published format, see `wan_files` and `maisi_files`.
        network: what ``system.build_network`` made.
        system: tells which backbone a folder must hold.

    Raises:
        InputError: there is nothing there, or it doesn't fit; the message says what belongs where.
    """
    if source.is_dir() or (system.codec != "blocks" and not source.suffix):
        _load_backbone(source, network, system)
        return
    from DosePredictionLib.inference.weights import load_weights

    loaded = load_weights(source)
    check_same_network(loaded, system)
    load_into(network, loaded)


def _load_backbone(folder: Path, network: AnyToAnyNetwork, system: DiffKT3DSystem) -> None:
    if system.codec == "wan":
        from DosePredictionLib.networks.wan_files import load_wan

        load_wan(folder, network)
    elif system.codec == "maisi":
        from DosePredictionLib.networks.maisi_files import load_maisi

        load_maisi(folder, network)
    else:
        raise InputError(
            f"{folder} is a folder, but a system with the codec 'blocks' starts from a weights file; set the codec "
            "to 'wan' or 'maisi' in system_config to start from a published backbone."
        )
