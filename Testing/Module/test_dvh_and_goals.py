"""DVH table and chart, metrics and goals as nodes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import slicer
from DosePredictionScene.dvh_chart import dvh_chart_in_pieces
from DosePredictionScene.goals_table import update_goals_table
from DosePredictionScene.pieces import in_one_go
from phantom_scene import show, shown_phantom

from DosePredictionLib.dosimetry.goals import GoalResult, Verdict, bundled_goals, evaluate_goals


def series_of(chart) -> dict:
    nodes = [chart.GetNthPlotSeriesNode(index) for index in range(chart.GetNumberOfPlotSeriesNodes())]
    return {node.GetName(): node for node in nodes}


def column(table, name: str) -> np.ndarray:
    return slicer.util.arrayFromTableColumn(table, name)


def text_column(table, name: str) -> list[str]:
    array = table.GetTable().GetColumnByName(name)
    return [array.GetValue(index) for index in range(array.GetNumberOfValues())]


def test_the_curves_are_the_dvhs() -> None:
    _, _, prediction, shown = shown_phantom()
    for name, series in series_of(shown.chart).items():
        table = series.GetTableNode()
        dose, volume = column(table, series.GetXColumnName()), column(table, series.GetYColumnName())
        assert series.GetXColumnName() == "Dose [Gy]"
        dvh = prediction.dvhs[name]
        for percent in (98.0, 50.0, 2.0):
            assert np.interp(-percent, -volume, dose) == pytest.approx(dvh.dose_at_volume_percent(percent), abs=0.2)
        assert volume[0] == 100.0 and volume[-1] == 0.0
        assert np.all(np.diff(volume) <= 0.0)
    assert set(series_of(shown.chart)) == {"BODY", "PTV70", "SpinalCord"}


def test_each_curve_has_the_colour_of_its_segment() -> None:
    ct, segmentation, _, _ = shown_phantom()
    colours = {"BODY": (0.5, 0.4, 0.3), "PTV70": (1.0, 0.0, 0.25), "SpinalCord": (0.0, 0.75, 1.0)}
    for name, colour in colours.items():
        body = segmentation.GetSegmentation()
        body.GetSegment(body.GetSegmentIdBySegmentName(name)).SetColor(*colour)
    _, _, _, shown = shown_phantom(ct, segmentation)
    assert {name: node.GetColor() for name, node in series_of(shown.chart).items()} == colours


def test_predicted_is_solid_and_reference_is_dashed_in_the_same_colour() -> None:
    ct, _, prediction, _ = shown_phantom()
    patient = dataclasses.replace(prediction.patient, reference_dose=prediction.dose)
    shown = show(ct, dataclasses.replace(prediction, patient=patient))
    series = series_of(shown.chart)
    assert len(series) == 6
    for name in prediction.dvhs:
        predicted, reference = series[name], series[f"{name} (reference)"]
        assert predicted.GetLineStyle() == predicted.LineStyleSolid
        assert reference.GetLineStyle() == reference.LineStyleDash
        assert predicted.GetColor() == reference.GetColor()
        assert predicted.GetMarkerStyle() == predicted.MarkerStyleNone


def test_a_structure_that_is_gone_takes_its_curve_with_it() -> None:
    _, _, prediction, shown = shown_phantom()
    dvhs = {name: dvh for name, dvh in prediction.dvhs.items() if name != "BODY"}
    chart = in_one_go(dvh_chart_in_pieces(shown.dose, dvhs, {}))
    assert chart is shown.chart
    assert set(series_of(chart)) == {"PTV70", "SpinalCord"}
    assert len(slicer.util.getNodesByClass("vtkMRMLPlotSeriesNode")) == 2
    table = series_of(chart)["PTV70"].GetTableNode()
    assert table.GetNumberOfColumns() == 3


def test_the_chart_is_labelled_in_gray_and_percent() -> None:
    _, _, prediction, shown = shown_phantom()
    assert (shown.chart.GetXAxisTitle(), shown.chart.GetYAxisTitle()) == ("Dose [Gy]", "Volume [%]")
    assert "research use" in shown.chart.GetTitle()
    low, high = shown.chart.GetXAxisRange()
    assert low == 0.0 and high >= max(dvh.max_gy for dvh in prediction.dvhs.values())


def test_the_metrics_are_those_of_the_dvhs() -> None:
    _, _, prediction, shown = shown_phantom()
    table = shown.metrics
    names = text_column(table, "Structure")
    row = names.index("PTV70")
    dvh = prediction.dvhs["PTV70"]
    expected = {
        "Volume [cc]": dvh.volume_cc, "Mean [Gy]": dvh.mean_gy, "D95% [Gy]": dvh.dose_at_volume_percent(95.0),
        "D0.03cc [Gy]": dvh.dose_at_volume_cc(0.03),
    }  # fmt: skip
    for name, value in expected.items():
        assert column(table, name)[row] == pytest.approx(value, abs=0.005)
    # A cylinder of 25 mm radius and 11 slices of 5 mm, up to the voxels' size.
    assert column(table, "Volume [cc]")[row] == pytest.approx(np.pi * 2.5**2 * 5.5, rel=0.05)


def test_verdicts_are_coloured_words() -> None:
    _, _, _, shown = shown_phantom()
    goal = bundled_goals("head-and-neck").goals[0]
    results = [GoalResult(goal, f"S{i}", 1.0 + i, goal.unit, verdict, "why") for i, verdict in enumerate(Verdict)]
    table = update_goals_table(shown.dose, results)
    assert table is shown.goals
    assert text_column(table, "Verdict") == ["🟢 pass", "🟡 tolerance", "🔴 fail", "⚪ not applicable"]
    assert text_column(table, "Structure") == ["S0", "S1", "S2", "S3"]
    assert table.GetLocked(), "a verdict is not edited"


def test_the_goals_table_says_what_was_asked_and_found() -> None:
    _, _, prediction, shown = shown_phantom()
    rows = list(zip(*(text_column(shown.goals, n) for n in ("Structure", "Goal", "Predicted", "Verdict")), strict=True))
    assert len(rows) == len(prediction.goals("head-and-neck"))
    cord = next(row for row in rows if row[0] == "SpinalCord" and "D0.03cc" in row[1])
    highest = prediction.dvhs["SpinalCord"].dose_at_volume_cc(0.03)
    limit = float(cord[1].split("<=")[1].split()[0])
    assert float(cord[2].split()[0]) == pytest.approx(highest, abs=0.006)
    assert cord[3].endswith("pass" if highest <= limit else cord[3].split(" ", 1)[1])
    assert any(row[3].endswith("not applicable") for row in rows), "the phantom has no parotids"


def test_the_goals_table_has_limit_and_tolerance() -> None:
    _, _, prediction, shown = shown_phantom()
    results = evaluate_goals(bundled_goals("head-and-neck"), prediction.patient, prediction.dose, prediction.dvhs)
    told = zip(text_column(shown.goals, "Goal"), text_column(shown.goals, "Tolerance"), strict=True)
    for result, (goal, tolerance) in zip(results, told, strict=True):
        assert goal.endswith(f"{result.goal.comparator} {result.goal.limit:g} {result.unit}".strip())
        allowed = result.goal.tolerance
        assert tolerance == ("" if allowed is None else f"{allowed:g} {result.unit}".strip())
    assert any(result.goal.tolerance is not None for result in results)
