"""The letters at a slice's edges that say which way the patient lies in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk

from DosePredictionLib.report.plane import edge_letters

#: Their size, and how far from the edge they stand, as parts of the picture.
SIZE, FROM_EDGE = 0.045, 0.03
#: How high the letters at the sides stand, as a part of the picture: below a colour legend, with or without one.
SIDE_HEIGHT = 0.15


def letter_actors(slice_to_ras: np.ndarray, pixels: int) -> list[Any]:
    """Text actors for the left, right, top and bottom edge.

    Args:
        slice_to_ras: (4, 4), of the slice node: its columns tell the directions in which the picture is drawn.
        pixels: the picture's width and height.
    """
    to_lps = np.array([-1.0, -1.0, 1.0])
    right, up = to_lps * slice_to_ras[:3, 0], to_lps * slice_to_ras[:3, 1]
    places = ((FROM_EDGE, SIDE_HEIGHT), (1.0 - FROM_EDGE, SIDE_HEIGHT), (0.5, 1.0 - FROM_EDGE), (0.5, FROM_EDGE))
    return [
        _text(letter, x * pixels, y * pixels, round(SIZE * pixels))
        for letter, (x, y) in zip(edge_letters(right, -up), places, strict=True)
    ]


def _text(letter: str, x: float, y: float, size: int) -> Any:
    actor = vtk.vtkTextActor()
    actor.SetInput(letter)
    actor.SetPosition(x, y)
    look = actor.GetTextProperty()
    look.SetFontFamilyToArial()
    look.SetFontSize(size)
    look.BoldOn()
    look.SetColor(1.0, 1.0, 1.0)
    look.SetBackgroundColor(0.0, 0.0, 0.0)
    look.SetBackgroundOpacity(0.75)  # letters may lie on bone, which is as white
    look.SetJustificationToCentered()
    look.SetVerticalJustificationToCentered()
    return actor
