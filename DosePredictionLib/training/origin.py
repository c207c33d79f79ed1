"""What a run started from, as its checkpoints keep it: the file may be another one by the time the run ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.training.config import TrainingConfig


@dataclass(frozen=True)
class Origin:
    """The weights or the published backbone that a run started from.

    Attributes:
        named: as the header of the run's weights names it: a weights file by ``file``, ``system`` and ``sha256``, a
            backbone by its ``folder``.
        recommended: samples and steps of a weights file of the same system and stage (`WeightsHeader.recommended`);
            they hold for what comes of it, too.
    """

    named: dict[str, str]
    recommended: dict[str, int] = field(default_factory=dict)


def origin_of(config: TrainingConfig, system: str) -> Origin | None:
    """The origin as it is on disk now; None for a run from fresh weights.

    Args:
        config: the run's.
        system: name of the system whose weights come of it.

    Raises:
        InputError: it is a file, but no weights file.
    """
    if config.from_weights is None:
        return None
    source = Path(config.from_weights)
    if not source.is_file():
        return Origin({"folder" if source.is_dir() else "file": source.name})
    header = read_weights_header(source)
    checksum = hashlib.sha256(source.read_bytes()).hexdigest()
    alike = header.system == system and header.training.get("stage", "dose") == config.stage
    named = {"file": f"{source.parent.name}/{source.name}", "system": header.system, "sha256": checksum}
    return Origin(named, dict(header.recommended) if alike else {})


def told_of_change(kept: Origin, now: Origin | None) -> str:
    """A sentence where a file is no longer the one that a run started from; empty otherwise."""
    before, after = kept.named.get("sha256"), None if now is None else now.named.get("sha256")
    if before == after or not before or not after:
        return ""
    return (
        f"from_weights ({kept.named['file']}) has become another file since the run began: its sha256 begins with "
        f"{after[:8]} instead of {before[:8]}; the run goes on from its checkpoint, and its weights name the first one."
    )
