"""An institution's structure names, remembered from one patient to the next. No Qt."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Protocol

from DosePredictionScene.segment_choices import SegmentChoice

from DosePredictionLib.patient.structure import StructureRole
from DosePredictionPanel.structure_rows import StructureRow

SETTING = "DosePrediction/StructureNamePresets"
Preset = dict[str, SegmentChoice]


class Settings(Protocol):
    """The part of QSettings that presets need."""

    def value(self, key: str, default: str = "") -> object:
        """What is stored under a key."""

    def setValue(self, key: str, value: str) -> None:
        """Store something under a key."""


def read_presets(settings: Settings) -> dict[str, Preset]:
    """The presets by their names; empty where there are none or where they can't be read."""
    try:
        stored = json.loads(str(settings.value(SETTING, "") or "{}"))
        return {
            preset: {
                name: SegmentChoice(StructureRole(role), standard, None if dose is None else float(dose))
                for name, (role, standard, dose) in entries.items()
            }
            for preset, entries in stored.items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def write_presets(settings: Settings, presets: dict[str, Preset]) -> None:
    """Store the presets."""
    content = {
        preset: {name: [c.role.value, c.standard_name, c.prescription_gy] for name, c in entries.items()}
        for preset, entries in presets.items()
    }
    settings.setValue(SETTING, json.dumps(content))


def preset_of(rows: Iterable[StructureRow]) -> Preset:
    """What to remember of a patient: the names and what they are."""
    return {row.name: row.choice for row in rows}


def fitting(preset: Preset, name: str) -> SegmentChoice | None:
    """What a preset says of a name; upper and lower case don't matter."""
    wanted = name.strip().lower()
    return next((choice for known, choice in preset.items() if known.strip().lower() == wanted), None)
