"""Lines of text as a strip below pictures: a caption, and the names of contours in their colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import vtk

from DosePredictionScene.offscreen.render_window import offscreen_window, picture_of

FONT_SIZE = 22
LINE_HEIGHT = 36
MARGIN = 16
WHITE = (1.0, 1.0, 1.0)
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Words:
    """A piece of text in one colour; ``swatch`` draws a box of that colour before white text."""

    text: str
    colour: Colour = WHITE
    swatch: bool = False


def caption_picture(width: int, lines: Sequence[Sequence[Words]]) -> np.ndarray:
    """Draw lines of words on black; words that don't fit a line go to the next.

    Returns:
        (height, width, 3) uint8, as high as the lines need.
    """
    placed: list[tuple[int, int, Words]] = []
    row = -1
    for line in lines:
        row, x = row + 1, MARGIN
        for words in line:
            needed = _width_of(words)
            if x + needed > width - MARGIN and x > MARGIN:
                row, x = row + 1, MARGIN
            placed.append((row, x, words))
            x += needed
    height = (row + 1) * LINE_HEIGHT + MARGIN
    window = offscreen_window(width, height, multisamples=0)
    renderer = vtk.vtkRenderer()
    window.AddRenderer(renderer)
    for place_row, x, words in placed:
        _draw(renderer, x, height - MARGIN // 2 - (place_row + 1) * LINE_HEIGHT + LINE_HEIGHT // 2, words)
    window.Render()
    picture = picture_of(window)
    window.Finalize()
    return picture


def _property(colour: Colour) -> Any:
    text = vtk.vtkTextProperty()
    text.SetFontSize(FONT_SIZE)
    text.SetFontFamilyToArial()
    text.SetColor(*colour)
    text.SetVerticalJustificationToCentered()
    return text


def _width_of(words: Words) -> int:
    box = [0, 0, 0, 0]
    vtk.vtkTextRenderer.GetInstance().GetBoundingBox(_property(words.colour), words.text, box, 72)
    return box[1] - box[0] + (FONT_SIZE + 8 if words.swatch else 0) + FONT_SIZE + 6


def _draw(renderer: Any, x: int, middle: int, words: Words) -> None:
    if words.swatch:
        renderer.AddViewProp(_box(x, middle, words.colour))
    actor = vtk.vtkTextActor()
    actor.SetInput(words.text)
    actor.SetTextProperty(_property(WHITE if words.swatch else words.colour))
    actor.SetPosition(x + (FONT_SIZE + 8 if words.swatch else 0), middle)
    renderer.AddViewProp(actor)


def _box(x: int, middle: int, colour: Colour) -> Any:
    plane = vtk.vtkPlaneSource()
    half = FONT_SIZE // 2
    plane.SetOrigin(x, middle - half, 0)
    plane.SetPoint1(x + FONT_SIZE, middle - half, 0)
    plane.SetPoint2(x, middle + half, 0)
    mapper = vtk.vtkPolyDataMapper2D()
    mapper.SetInputConnection(plane.GetOutputPort())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetColor(*colour)
    return actor
