"""Cumulative dose-volume histograms as SVG, and their legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.report.structure_colours import Colour
from DosePredictionLib.report.view_picture import css_colour

#: Dashes by the dose's place: the first is solid.
LINE_STYLES = ("", "7 4", "1.5 3", "9 3 1.5 3", "14 4", "4 2 1 2 1 2")
_WIDTH, _HEIGHT = 860, 430
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 44
_STEP_GY = 0.25


def line_style(index: int) -> str:
    """The dashes of the dose at a place, as SVG's ``stroke-dasharray`` has them; no two doses have the same.

    After `LINE_STYLES` come dashes with two points between them, three, and so on.
    """
    if index < len(LINE_STYLES):
        return LINE_STYLES[index]
    return "9 3" + " 1.5 3" * (index - len(LINE_STYLES) + 2)


def dvh_chart_svg(
    dvhs: Mapping[str, Mapping[str, Dvh]],
    structures: Sequence[Structure],
    colours: Mapping[str, Colour],
    prescriptions_gy: Sequence[float] = (),
) -> str:
    """All structures and doses in one chart.

    Args:
        dvhs: by dose name, in the order of the line styles, then by structure name.
        structures: whose curves are drawn.
        colours: by structure name.
        prescriptions_gy: marked on the dose axis.
    """
    shown = [(place, dose, one) for place, dose in enumerate(dvhs) for one in structures if one.name in dvhs[dose]]
    highest = max((float(dvhs[dose][one.name].max_gy) for _, dose, one in shown), default=1.0)
    last_gy = 10.0 * float(np.ceil(max(highest, 1.0) * 1.02 / 10.0))
    doses = np.arange(0.0, last_gy + _STEP_GY / 2, _STEP_GY)

    def x(dose_gy: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * dose_gy / last_gy

    def y(percent: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1.0 - percent / 100.0)

    parts = [f'<svg class="dvh" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Dose-volume histograms">']
    for percent in range(0, 101, 20):
        parts.append(f'<path d="M{_LEFT} {y(percent):.1f}H{_WIDTH - _RIGHT}" class="grid"/>'
                     f'<text x="{_LEFT - 7}" y="{y(percent) + 4:.1f}" class="axis end">{percent}</text>')  # fmt: skip
    for mark_gy in range(0, int(last_gy) + 1, 10):
        parts.append(
            f'<path d="M{x(mark_gy):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" class="grid"/>'
            f'<text x="{x(mark_gy):.1f}" y="{_HEIGHT - _BOTTOM + 16}" class="axis">{mark_gy}</text>'
        )
    for dose_gy in sorted(set(prescriptions_gy)):
        if 0.0 < dose_gy <= last_gy:
            parts.append(f'<path d="M{x(dose_gy):.1f} {_TOP}V{_HEIGHT - _BOTTOM}" class="prescription">'
                         f"<title>prescribed {dose_gy:g} Gy</title></path>")  # fmt: skip
    for place, dose, structure in shown:
        dvh = dvhs[dose][structure.name]
        percents = dvh.cumulative_percent(doses)[1]
        dashes = f' stroke-dasharray="{line_style(place)}"' if line_style(place) else ""
        parts.append(
            f'<path d="{_path(doses, percents, x, y)}" class="curve" stroke="{css_colour(colours[structure.name])}"'
            f"{dashes}><title>{escape(structure.label)}, {escape(dose)}: mean {dvh.mean_gy:.1f} Gy</title></path>"
        )
    parts.append(f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" class="frame"/>')
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" class="axis title">Dose (Gy)</text>'
                 f'<text x="14" y="{middle}" class="axis title" transform="rotate(-90 14 {middle})">Volume (%)</text>'
                 "</svg>")  # fmt: skip
    return "".join(parts)


def legend_html(doses: Sequence[str], structures: Sequence[Structure], colours: Mapping[str, Colour]) -> str:
    """Which colour is which structure, and which line which dose."""
    chips = [
        f'<li><i style="background:{css_colour(colours[one.name])}"></i>{escape(one.label)}</li>' for one in structures
    ]
    lines = []
    for place, dose in enumerate(doses if len(doses) > 1 else ()):
        dashes = f' stroke-dasharray="{line_style(place)}"' if line_style(place) else ""
        lines.append(
            f'<li><svg class="sample" viewBox="0 0 40 8"><path d="M0 4H40" class="curve" stroke="#222"{dashes}/></svg>'
            f"{escape(dose)}</li>"
        )
    return f'<ul class="legend">{"".join(lines)}{"".join(chips)}</ul>'


def _path(doses: np.ndarray, percents: np.ndarray, x, y) -> str:  # type: ignore[no-untyped-def]
    """A curve's path without the points that lie on a level stretch."""
    rounded = np.round(percents, 2)
    level = np.zeros(len(doses), bool)
    level[1:-1] = (rounded[1:-1] == rounded[:-2]) & (rounded[1:-1] == rounded[2:])
    points = [f"{x(float(d)):.1f} {y(float(p)):.1f}" for d, p in zip(doses[~level], percents[~level], strict=True)]
    return "M" + "L".join(points)
