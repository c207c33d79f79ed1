"""The report's pictures: letters, contours, captions and colours stand where they belong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import ball_dose, ball_patient

from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.report.colour_bar import colour_bar_svg
from DosePredictionLib.report.dvh_chart import legend_html
from DosePredictionLib.report.isodose_scale import LEVELS, IsodoseScale
from DosePredictionLib.report.plane import Orientation, Plane
from DosePredictionLib.report.view_picture import view_svg
from DosePredictionLib.report.views import difference_wash, planes_through, row_of_views
from DosePredictionLib.report.write import write_report


@pytest.mark.parametrize(
    ("orientation", "letters"),
    [(Orientation.AXIAL, "RLAP"), (Orientation.CORONAL, "RLSI"), (Orientation.SAGITTAL, "APSI")],
)
def test_the_letters_of_a_view_stand_at_the_edges_that_they_name(orientation: Orientation, letters: str) -> None:
    plane = Plane(orientation, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 180, 160)
    svg = view_svg(ball_patient(), plane, None, [], {}, "a view")
    written = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="letter" font-size="[\d.]+">(\w)</text>', svg)
    placed = {letter: (float(x), float(y)) for x, y, letter in written}
    left, right, top, bottom = (placed[letter] for letter in letters)
    assert left[0] < 20 < 160 < right[0] and top[1] < 20 < 140 < bottom[1]
    assert re.search(r'v4h50v-4" class="scale"', svg) and ">5 cm<" in svg, "units are millimetres"


@pytest.mark.parametrize("orientation", Orientation)
def test_contours_lie_on_the_structures_of_the_picture(orientation: Orientation) -> None:
    parotid = ball_patient().structures[4]
    plane = Plane(orientation, (45.0, 0.0, 20.0), (0.0, 0.0, 0.0), 180, 160)
    svg = view_svg(ball_patient(), plane, None, [parotid], {parotid.name: (1.0, 0.0, 0.0)}, "a view")
    (path,) = re.findall(r'<path d="([^"]*)" class="contour"', svg)
    points = np.array([[float(v) for v in point.split()] for point in re.findall(r"[\d.]+ [\d.]+", path)])
    seen = np.argwhere(plane.sample(parotid.mask) > 0.5)[:, ::-1] + 0.5
    assert points.mean(axis=0) == pytest.approx(seen.mean(axis=0), abs=1.0)
    assert np.ptp(points, axis=0) == pytest.approx(np.ptp(seen, axis=0), abs=2.0)


def test_captions_say_the_coordinate_across_their_plane() -> None:
    planes = planes_through((11.0, -22.0, 33.0), ball_patient(), ball_dose(), 7.0)
    row = row_of_views(ball_patient(), planes, None, [], {}, "Dose")
    assert re.findall(r"<b>(\w+)</b> (.*?)</figcaption>", row) == [
        ("Axial", "z = 33.0 mm"), ("Coronal", "y = −22.0 mm"), ("Sagittal", "x = 11.0 mm"),
    ]  # fmt: skip


def test_the_ticks_of_a_colour_bar_stand_at_their_values() -> None:
    wash = difference_wash(ball_dose(), 5.0)
    svg = colour_bar_svg(wash, [(-5.0, "low"), (0.0, "none"), (5.0, "high")], "Difference (Gy)")
    at = {text: float(x) for x, text in re.findall(r'<text x="([\d.]+)" y="36" class="tick-text">(\w+)<', svg)}
    (bar,) = re.findall(r'<image [^>]*x="([\d.]+)" y="14" width="([\d.]+)"', svg)
    first, width = (float(part) for part in bar)
    assert at == {"low": first, "none": first + width / 2, "high": first + width}


def test_colour_bars_say_what_lies_beyond_their_ends(tmp_path: Path) -> None:
    """A dose 30 Gy hotter than the reference in its middle: the bar of differences ends at 11 Gy, 15 % of 70 Gy."""
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    write_report(tmp_path / "page.html", patient, [NamedDose("Mine", ball_dose(peak_gy=100.0), ball_dose(peak_gy=3.0))],
                 gamma_points=0)  # fmt: skip
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    bars = re.findall(r'<svg class="colour-bar".*?</svg>', page)
    ends = [re.findall(r'class="tick-text">(.*?)<', bar) for bar in bars]
    assert [(marks[0], marks[-1]) for marks in ends] == [("7", "≥ 77"), ("≤ −11", "≥ +11"), ("0", "≥ 3")]
    assert "no colour below 7 Gy" in bars[0]


def test_no_two_doses_of_a_legend_have_one_line_style() -> None:
    names = [f"dose {number}" for number in range(12)]
    legend = legend_html(names, [], {})
    styles = [re.search(r'dasharray="(.*?)"', line) for line in re.findall(r"<li>(.*?)</li>", legend)]
    assert len({None if style is None else style.group(1) for style in styles}) == len(names)


def test_levels_of_ones_own_have_the_colours_of_their_part_of_the_prescription() -> None:
    usual = dict(LEVELS)
    scale = IsodoseScale.for_levels([66.5, 35.0], 70.0)
    assert scale.levels_gy == (35.0, 66.5)
    assert np.allclose(scale.colours, [usual[50.0], usual[95.0]])
