"""Isodose levels and their colours, scaled to the prescription."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Isodose levels in % of the prescription with their colours, cold to hot.
LEVELS = (
    (10.0, (0.10, 0.10, 0.65)),
    (30.0, (0.00, 0.35, 1.00)),
    (50.0, (0.00, 0.80, 0.95)),
    (70.0, (0.00, 0.75, 0.30)),
    (80.0, (0.55, 0.90, 0.10)),
    (90.0, (1.00, 0.95, 0.00)),
    (95.0, (1.00, 0.60, 0.00)),
    (100.0, (0.95, 0.10, 0.05)),
    (105.0, (0.95, 0.00, 0.65)),
    (110.0, (0.55, 0.00, 0.60)),
)  # fmt: skip


@dataclass(frozen=True)
class IsodoseScale:
    """Isodose levels in Gy with their colours, and the colours in between.

    Attributes:
        levels_gy: ascending.
        colours: one a level; red, green, blue in 0..1.
    """

    levels_gy: tuple[float, ...]
    colours: tuple[tuple[float, float, float], ...]

    @classmethod
    def for_prescription(cls, prescription_gy: float) -> IsodoseScale:
        """The usual levels, 10 % to 110 % of the prescribed dose."""
        if not prescription_gy > 0.0:
            raise ValueError(f"isodose levels need a prescription, not {prescription_gy} Gy")
        levels = tuple(round(percent * prescription_gy / 100.0, 3) for percent, _ in LEVELS)
        return cls(levels, tuple(colour for _, colour in LEVELS))

    @classmethod
    def for_levels(cls, levels_gy: Sequence[float], prescription_gy: float) -> IsodoseScale:
        """Levels of one's own; a level has the colour of the usual levels at its part of the prescription."""
        levels = tuple(sorted(set(levels_gy)))
        if not levels or not levels[0] > 0.0 or not prescription_gy > 0.0:
            raise ValueError(f"isodose levels and prescription must be above 0 Gy, not {levels} and {prescription_gy}")
        percents = [percent for percent, _ in LEVELS]
        parts = [100.0 * level / prescription_gy for level in levels]
        channels = [np.interp(parts, percents, channel) for channel in zip(*(c for _, c in LEVELS), strict=True)]
        return cls(levels, tuple(tuple(float(v) for v in colour) for colour in zip(*channels, strict=True)))  # type: ignore[misc]

    @property
    def first_gy(self) -> float:
        """The lowest level; doses below it stay clear."""
        return self.levels_gy[0]

    @property
    def last_gy(self) -> float:
        """The highest level."""
        return self.levels_gy[-1]

    def gradient(self, count: int) -> np.ndarray:
        """Dose in Gy, red, green, blue (count, 4) in equal steps from the first level to the last.

        Each level has its own colour in it.
        """
        doses = np.linspace(self.first_gy, self.last_gy, count)
        channels = [np.interp(doses, self.levels_gy, channel) for channel in zip(*self.colours, strict=True)]
        return np.stack([doses, *channels], axis=1)
