"""Which way figures of doses point: the higher dose is red, the reference minus the prediction, 100 % at the top."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball_dose, ball_patient, points_mm

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report import dose_panels, sections
from DosePredictionLib.report.dvh_chart import dvh_chart_svg
from DosePredictionLib.report.plane import Orientation
from DosePredictionLib.report.views import difference_wash, std_wash
from DosePredictionLib.report.write import write_report


def test_a_curve_falls_from_the_top_to_the_bottom_at_its_dose() -> None:
    """A uniform dose of 50 Gy on an axis to 60 Gy: all of the volume until then, nothing beyond."""
    target = ball_patient().structures[1]
    dvh = compute_dvh(Volume(np.full(AXIAL.shape, 50.0, np.float32), AXIAL), target)
    svg = dvh_chart_svg({"Predicted": {target.name: dvh}}, [target], {target.name: (1.0, 0.0, 0.0)}, [50.0])
    marks = {text: float(y) for y, text in re.findall(r'y="([\d.]+)" class="axis end">(\d+)<', svg)}
    assert marks["0"] > marks["20"] > marks["80"] > marks["100"], "rows of a picture count downwards"
    (path,) = re.findall(r'<path d="M([^"]*)" class="curve"', svg)
    points = [tuple(float(number) for number in point.split()) for point in path.split("L")]
    top, bottom = marks["100"] - 4, marks["0"] - 4
    (prescribed,) = re.findall(r'<path d="M([\d.]+) [^"]*" class="prescription"', svg)
    for x, y in points:
        assert y == pytest.approx(top if x <= float(prescribed) else bottom, abs=0.2)
    assert {round(y) for _, y in points} == {round(top), round(bottom)}


def test_where_the_evaluated_dose_is_higher_the_view_is_red() -> None:
    grey = np.full((3, 3), 0.5)
    volume = Volume(np.zeros((2, 2, 2), np.float32), AXIAL.cropped((0, 0, 0), (2, 2, 2)))
    lower, same, higher = difference_wash(volume, 5.0).over(grey, np.array([-5.0, 0.0, 5.0]))
    assert lower[2] > 0.7 > 0.4 > lower[0] and higher[0] > 0.7 > 0.4 > higher[2]
    assert same == pytest.approx(grey[0]), "no difference is no colour"
    sure, unsure = std_wash(volume, 3.0).over(grey[:2], np.array([0.0, 3.0]))
    assert sure == pytest.approx(grey[0]) and unsure.sum() > 2.0


def drawn_panels(monkeypatch: pytest.MonkeyPatch, patient: Patient, dose: Volume, orientation=Orientation.AXIAL):
    """The figure that `draw_dose_panels` would save."""
    kept = []
    monkeypatch.setattr(dose_panels, "_save", lambda figure, path: kept.append(figure))
    dose_panels.draw_dose_panels(patient, [NamedDose("Predicted", dose)], "doses.png", orientation)
    return kept[0]


@pytest.mark.parametrize(
    ("orientation", "axis", "letters"),
    [(Orientation.AXIAL, 0, "RLAP"), (Orientation.CORONAL, 0, "RLSI"), (Orientation.SAGITTAL, 1, "APSI")],
)
def test_each_panel_of_a_figure_says_which_way_the_patient_lies(orientation, axis: int, letters: str, monkeypatch):
    """A dose in the patient's left (posterior) half alone is drawn at the edge marked L (P)."""
    towards = points_mm(AXIAL)[..., axis] - (8.0, -10.0, 4.0)[axis]
    half = Volume(np.where(towards > 0.0, ball_dose(peak_gy=70.0).array, 0.0).astype(np.float32), AXIAL)
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    figure = drawn_panels(monkeypatch, patient, half, orientation)
    for axes in figure.axes[:3]:
        placed = {text.get_text(): text.get_position() for text in axes.texts}
        left, right, top, bottom = (placed[letter] for letter in letters)
        assert left[0] < 0.1 and right[0] > 0.9 and top[1] > 0.9 and bottom[1] < 0.1
    shown = np.asarray(figure.axes[1].images[0].get_array())
    middle = shown.shape[1] // 2
    assert shown[:, middle:].sum() > 5 * shown[:, :middle].sum(), "the dose lies at the picture's right"


def test_the_last_row_of_a_figure_is_the_reference_minus_the_prediction(monkeypatch) -> None:
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    figure = drawn_panels(monkeypatch, patient, ball_dose(peak_gy=63.0))
    expected, predicted, difference = (axes.images[0] for axes in figure.axes[:3])
    assert expected.get_array().max() == pytest.approx(70.0, abs=1.0)
    assert predicted.get_array().max() == pytest.approx(63.0, abs=1.0)
    assert difference.get_array().max() == pytest.approx(7.0, abs=0.2) and difference.get_array().min() > -1e-3
    red, _, blue, _ = difference.cmap(difference.norm(7.0))
    assert red > blue and difference.norm.vmin == -difference.norm.vmax
    bars = [axes.get_ylabel() for axes in figure.axes[3:]]
    assert bars == ["Gy", "Gy", "Gy, red: reference higher"], "the report's red is the other way round"


def test_the_differences_bar_says_that_larger_ones_lie_beyond_its_ends(monkeypatch) -> None:
    """Its colours end at 20 % of 70 Gy; a dose 21 Gy lower is off by more. No dose is above the doses' bars."""
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    figure = drawn_panels(monkeypatch, patient, ball_dose(peak_gy=49.0))
    *doses, difference = (axes.images[0] for axes in figure.axes[:3])
    assert difference.norm.vmax == pytest.approx(14.0) and difference.get_array().max() > 20.0
    assert difference.colorbar.extend == "both"
    for drawn in doses:
        assert drawn.get_array().max() <= drawn.norm.vmax and drawn.colorbar.extend == "neither"


def test_the_reports_difference_map_is_the_dose_minus_the_reference(tmp_path: Path, monkeypatch) -> None:
    """As its heading says ("Predicted − Reference"): red where more was predicted."""
    drawn = []
    monkeypatch.setattr(sections, "difference_wash", lambda *of: drawn.append(of[0]) or difference_wash(*of))
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=63.0))
    write_report(tmp_path / "report.html", patient, [NamedDose("Predicted", ball_dose(peak_gy=70.0))], gamma_points=0)
    (difference,) = drawn
    assert difference.array.max() == pytest.approx(7.0, abs=0.2) and difference.array.min() > -1e-3
    assert "<h3>Predicted − Reference: " in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_figures_curves_are_solid_for_the_reference_and_dashed_for_the_prediction(monkeypatch) -> None:
    kept = []
    monkeypatch.setattr(dose_panels, "_save", lambda figure, path: kept.append(figure))
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    dose_panels.draw_dvh_panels(patient, [NamedDose("Predicted", ball_dose(peak_gy=35.0))], "dvh.png")
    lines = kept[0].axes[0].lines
    median = {style: [float(np.interp(-50.0, -line.get_ydata(), line.get_xdata())) for line in lines
                      if line.get_linestyle() == style] for style in ("-", "--")}  # fmt: skip
    assert len(median["-"]) == len(median["--"]) == 5
    assert median["--"] == pytest.approx([gray / 2 for gray in median["-"]], abs=0.3)


def test_a_figures_mean_difference_says_where_and_is_the_same_beside_other_doses(monkeypatch) -> None:
    """Where the reference has a tenth of its 70 Gy, which a much hotter dose beside it doesn't change."""
    kept = []
    monkeypatch.setattr(dose_panels, "_save", lambda figure, path: kept.append(figure))
    patient = replace(ball_patient(), reference_dose=ball_dose(peak_gy=70.0))
    mine, hot = (NamedDose(name, ball_dose(peak_gy=gray)) for name, gray in (("Mine", 63.0), ("hot", 200.0)))
    for doses in ([mine], [mine, hot]):
        dose_panels.draw_dose_panels(patient, doses, "doses.png", Orientation.AXIAL)
    alone, beside = (figure.axes[place].get_xlabel() for figure, place in zip(kept, (2, 4), strict=True))
    assert alone == beside
    reference = patient.reference_dose.array[20]  # the slice through the high target's middle
    mean = 0.1 * float(reference[reference >= 6.97].mean())
    where = r"in this slice,\nwhere the reference has 7.0 Gy or more"
    told = re.fullmatch(rf"mean \|difference\| ([\d.]+) Gy {where}", alone)
    assert told is not None and float(told.group(1)) == pytest.approx(mean, rel=0.05)
