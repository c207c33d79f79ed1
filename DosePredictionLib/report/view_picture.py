"""A slice with dose wash, contours, letters and a scale, as SVG around a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.contour_lines import contour_lines
from DosePredictionLib.report.plane import Plane
from DosePredictionLib.report.png import png_data_uri
from DosePredictionLib.report.structure_colours import Colour

#: Window of soft tissue in the head and neck, HU.
WINDOW_HU = (-160.0, 240.0)


@dataclass(frozen=True)
class Wash:
    """Values laid over a slice in colour.

    Attributes:
        volume: on any grid.
        values: ascending; the colours' places.
        colours: (n, 3) in 0..1, one a value; in between they are interpolated.
        opacities: (n,) in 0..1, one a value, likewise; how much of the colour is seen against the CT.
        clear_below: values below this stay clear.
    """

    volume: Volume
    values: np.ndarray
    colours: np.ndarray
    opacities: np.ndarray
    clear_below: float = -np.inf

    def over(self, background: np.ndarray, array: np.ndarray) -> np.ndarray:
        """A background (..., 3) under the colours of values (...)."""
        colour = np.stack([np.interp(array, self.values, channel) for channel in self.colours.T], axis=-1)
        opacity = np.where(array >= self.clear_below, np.interp(array, self.values, self.opacities), 0.0)[..., None]
        return np.asarray((1.0 - opacity) * background + opacity * colour)


def view_svg(
    patient: Patient,
    plane: Plane,
    wash: Wash | None,
    structures: Sequence[Structure],
    colours: Mapping[str, Colour],
    caption: str,
) -> str:
    """One view as an ``<svg>`` element whose units are millimetres.

    Args:
        patient: its CT is the background; without one its external contour is.
        plane: which slice.
        wash: what lies over it.
        structures: whose outlines are drawn.
        colours: by structure name.
        caption: for those who can't see the picture; it is escaped here.
    """
    size = f'width="{plane.width_mm}" height="{plane.height_mm}"'
    picture = _background(patient, plane)
    if wash is not None:
        picture = wash.over(picture, plane.sample(wash.volume))
    image = png_data_uri(np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8))
    parts = [
        f'<svg class="view" viewBox="0 0 {plane.width_mm} {plane.height_mm}" role="img" '
        f'aria-label="{escape(caption)}">',
        f"<title>{escape(caption)}</title>",
        f'<image href="{image}" {size}/>',
    ]
    for structure in structures:
        path = _outline(plane, structure)
        if path:
            parts.append(
                f'<path d="{path}" class="halo"/>'
                f'<path d="{path}" class="contour" stroke="{css_colour(colours[structure.name])}">'
                f"<title>{escape(structure.label)}</title></path>"
            )
    parts += [*_crosshair(plane), *_letters(plane), *_scale(plane), "</svg>"]
    return "".join(parts)


def css_colour(colour: Colour) -> str:
    """A colour as style sheets write it: ``#1f77b4``."""
    return "#" + "".join(f"{round(255 * max(0.0, min(1.0, part))):02x}" for part in colour)


def _background(patient: Patient, plane: Plane) -> np.ndarray:
    """CT in grey, (height, width, 3) in 0..1."""
    if patient.ct is not None:
        low, high = WINDOW_HU
        grey = np.clip((plane.sample(patient.ct, outside=-1024.0) - low) / (high - low), 0.0, 1.0)
    else:
        grey = np.zeros((plane.height_mm, plane.width_mm), np.float32)
        outlines = patient.with_role(StructureRole.EXTERNAL) or patient.with_role(StructureRole.DOSE_REGION)
        for structure in outlines:
            grey = np.maximum(grey, 0.35 * (plane.sample(structure.mask) >= 0.5))
    return np.repeat(grey[..., None], 3, axis=-1)


def _outline(plane: Plane, structure: Structure) -> str:
    field = plane.sample(structure.mask)
    lines = [line + 0.5 for line in contour_lines(field, 0.5) if len(line) > 2]
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z" for line in lines)


def _crosshair(plane: Plane) -> list[str]:
    x, y = plane.point_in_view
    gap, arm = 4, 12
    strokes = "".join(
        f"M{x + dx * gap:.1f} {y + dy * gap:.1f}L{x + dx * arm:.1f} {y + dy * arm:.1f}"
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )
    return [f'<path d="{strokes}" class="crosshair"/>']


def _letters(plane: Plane) -> list[str]:
    width, height, size = plane.width_mm, plane.height_mm, _letter_mm(plane)
    left, right, top, bottom = plane.edge_letters
    places = (
        (left, 0.75 * size, height / 2),
        (right, width - 0.75 * size, height / 2),
        (top, width / 2, 0.85 * size),
        (bottom, width / 2, height - 0.7 * size),
    )
    return [
        f'<text x="{x:.1f}" y="{y:.1f}" class="letter" font-size="{size:.1f}">{letter}</text>'
        for letter, x, y in places
    ]


def _letter_mm(plane: Plane) -> float:
    """Letters as high as to look alike in views of any size."""
    return 0.038 * plane.height_mm


def _scale(plane: Plane) -> list[str]:
    size = 0.75 * _letter_mm(plane)
    right, bottom = plane.width_mm - size, plane.height_mm - size
    return [
        f'<path d="M{right - 50:.1f} {bottom - 4:.1f}v4h50v-4" class="scale"/>',
        f'<text x="{right - 25:.1f}" y="{bottom - 4:.1f}" class="letter small" font-size="{size:.1f}">5 cm</text>',
    ]
