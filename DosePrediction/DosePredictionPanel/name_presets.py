"""An institution's structure names, remembered from one patient to the next: a JSON file a preset. No Qt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from DosePredictionScene.segment_choices import SegmentChoice
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import write_json
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionPanel.structure_rows import StructureRow

Preset = dict[str, SegmentChoice]
#: In every file, so that another JSON file is told apart.
FORMAT = "SlicerDosePrediction structure names, version 1"


class NamePresets:
    """The presets in a folder.

    Args:
        folder: made when the first preset is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """The presets' names, in order; files that can't be read are left out."""
        return sorted(self._paths())

    def read(self, name: str) -> Preset:
        """What a preset remembers; nothing where there is no such preset."""
        path = self._paths().get(name)
        return {} if path is None else read_preset(path)[1]

    def save(self, name: str, preset: Preset) -> None:
        """Remember names under a preset's name, those that it remembers already among them.

        Raises:
            InputError: the file can't be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        write_preset(self._paths().get(name) or self._unused_path(name), name, self.read(name) | preset)

    def delete(self, name: str) -> None:
        """Forget a preset."""
        path = self._paths().get(name)
        if path is not None:
            path.unlink(missing_ok=True)

    def import_file(self, path: str | Path) -> str:
        """Take a preset over from a file, and say its name; one of that name is replaced.

        Raises:
            InputError: the file holds no preset, or it can't be kept.
        """
        name, preset = read_preset(Path(path))
        self.delete(name)
        self.save(name, preset)
        return name

    def export_file(self, name: str, path: str | Path) -> None:
        """Write a preset to a file of its own.

        Raises:
            InputError: the file can't be written.
        """
        write_preset(Path(path), name, self.read(name))

    def _paths(self) -> dict[str, Path]:
        found = {}
        for path in sorted(self._folder.glob("*.json")):
            try:
                found[read_preset(path)[0]] = path
            except InputError:
                continue
        return found

    def _unused_path(self, name: str) -> Path:
        stem = re.sub(r"[^\w-]+", "-", name).strip("-") or "preset"
        path, number = self._folder / f"{stem}.json", 2
        while path.exists():
            path, number = self._folder / f"{stem}-{number}.json", number + 1
        return path


def read_preset(path: Path) -> tuple[str, Preset]:
    """Name and content of a preset's file.

    Raises:
        InputError: it can't be read, or holds no preset.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(stored["format"])
        return str(stored["name"]), {str(name): _choice(entry) for name, entry in stored["structures"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            _("{file} holds no structure names; choose a file that was written by Export.").format(file=path.name)
        ) from error


def write_preset(path: Path, name: str, preset: Preset) -> None:
    """Write a preset; the file appears whole or not at all.

    Raises:
        InputError: it can't be written.
    """
    structures = {
        structure: {
            "role": choice.role.value, "standard_name": choice.standard_name, "prescription_gy": choice.prescription_gy
        }
        for structure, choice in preset.items()
    }  # fmt: skip
    content = {"format": FORMAT, "name": name, "structures": structures}
    write_json(path, content, ensure_ascii=False)


def preset_of(rows: Iterable[StructureRow]) -> Preset:
    """What to remember of a patient: the names and what they are."""
    return {row.name: row.choice for row in rows}


def fitting(preset: Preset, name: str) -> SegmentChoice | None:
    """What a preset says of a name; upper and lower case don't matter."""
    wanted = name.strip().lower()
    return next((choice for known, choice in preset.items() if known.strip().lower() == wanted), None)


def _choice(entry: dict[str, Any]) -> SegmentChoice:
    dose, standard = entry.get("prescription_gy"), entry.get("standard_name")
    return SegmentChoice(
        StructureRole(entry["role"]),
        None if standard is None else str(standard),
        None if dose is None else float(dose),
    )
