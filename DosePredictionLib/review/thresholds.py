"""What figures are held against, read from ``Resources/Review/thresholds.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.resources import resource_path


@dataclass(frozen=True)
class TrainedOn:
    """What the plans that weights were trained on had in common.

    Attributes:
        recognised_by: words that stand in the description of the training data.
        name: as a sentence calls them.
        sites, techniques: all that were seen.
        static_fields: fewest and most fields of a plan.
        coplanar: whether no plan turned the couch.
        most_targets: most dose levels of a plan.
        highest_prescription_gy: lowest and highest of the plans' highest prescriptions.
        highest_prescription_tolerance_percent: how far beyond that nothing is said.
        lower_prescription_percent: range of the other levels, in % of the plan's highest.
        lower_prescription_tolerance_percent: likewise, in the same percent.
        dose_per_fraction_gy: range of the highest prescription over the fractions.
        dose_per_fraction_tolerance_percent: likewise.
        organs_percent: in how many percent of the patients an organ (TG-263) was contoured.
        site_organs: those of them that lie nowhere but at the sites seen.
    """

    recognised_by: str
    name: str
    sites: tuple[str, ...]
    techniques: tuple[str, ...]
    static_fields: tuple[int, int]
    coplanar: bool
    most_targets: int
    highest_prescription_gy: tuple[float, float]
    highest_prescription_tolerance_percent: float
    lower_prescription_percent: tuple[float, float]
    lower_prescription_tolerance_percent: float
    dose_per_fraction_gy: tuple[float, float]
    dose_per_fraction_tolerance_percent: float
    organs_percent: Mapping[str, float]
    site_organs: tuple[str, ...]


@dataclass(frozen=True)
class Thresholds:
    """All thresholds.

    Attributes:
        by_id: numbers by the warning's id.
        training: what is known of training sets.
    """

    by_id: Mapping[str, Mapping[str, float]]
    training: tuple[TrainedOn, ...]

    def trained_on(self, description: str) -> TrainedOn | None:
        """The training set that a weights file's description ("OpenKBP training set: ...") speaks of, if known."""
        return next((known for known in self.training if known.recognised_by.lower() in description.lower()), None)


def read_thresholds(path: str | Path | None = None) -> Thresholds:
    """Read thresholds; None takes those that ship.

    Raises:
        InputError: the file is missing or something in it is wrong.
    """
    return _read(Path(path) if path is not None else resource_path("Review", "thresholds.json"))


@lru_cache(maxsize=4)
def _read(path: Path) -> Thresholds:
    content = read_json(path, "thresholds")
    try:
        by_id = {
            name: {key: float(value) for key, value in entry.items() if isinstance(value, (int, float))}
            for name, entry in content["thresholds"].items()
        }
        training = tuple(_trained_on(entry) for entry in content["training"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no thresholds for warnings ({error}); reinstall DosePrediction.") from error
    return Thresholds(by_id, training)


def _trained_on(entry: Mapping[str, Any]) -> TrainedOn:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return TrainedOn(**values)
