"""A colour bar with figures, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from DosePredictionLib.report.png import png_data_uri
from DosePredictionLib.report.view_picture import Wash

_WIDTH, _BAR, _LEFT = 620.0, 10.0, 10.0
_SOFT_TISSUE = 0.45


def colour_bar_svg(wash: Wash, ticks: Sequence[tuple[float, str]], title: str) -> str:
    """The colours of a wash from its lowest to its highest value.

    Args:
        wash: whose colours.
        ticks: values with what is written below them.
        title: what the values are, with their unit.
    """
    low, high = float(wash.values[0]), float(wash.values[-1])
    inner = _WIDTH - 2 * _LEFT
    values = np.linspace(low, high, 512)
    # As it looks over soft tissue, so that bar and picture can be compared.
    pixels = wash.over(np.full((1, len(values), 3), _SOFT_TISSUE), values[None])
    image = png_data_uri(np.rint(np.repeat(pixels, 4, axis=0) * 255).astype(np.uint8))
    bar = f'<image href="{image}" x="{_LEFT}" y="14" width="{inner}" height="{_BAR}" preserveAspectRatio="none"/>'
    marks = []
    for value, text in ticks:
        x = _LEFT + inner * (value - low) / (high - low)
        marks.append(f'<path d="M{x:.1f} 24v3" class="tick"/><text x="{x:.1f}" y="36" class="tick-text">'
                     f"{escape(text)}</text>")  # fmt: skip
    return (
        f'<svg class="colour-bar" viewBox="0 0 {_WIDTH:g} 40" role="img" aria-label="{escape(title)}">'
        f'<text x="{_LEFT}" y="10" class="bar-title">{escape(title)}</text>{bar}{"".join(marks)}</svg>'
    )
