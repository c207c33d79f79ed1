"""The tables a person or a program reads: the numbers in them are those of the DVHs and goals."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh
from DosePredictionLib.dosimetry.goals import Goal, GoalResult, GoalSet, Metric, evaluate_goals
from DosePredictionLib.dosimetry.tables import (
    format_goals_table,
    write_dvh_csv,
    write_dvh_summary_csv,
    write_goals_csv,
)
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

GRID = Geometry((20, 30, 40), (1.0, 1.0, 1.0))
DOSE = Volume(np.linspace(0.0, 71.0, 24_000, dtype=np.float32).reshape(GRID.shape), GRID)


def whole(name: str, mask: np.ndarray | None = None, standard_name: str | None = None) -> Structure:
    inside = np.ones(GRID.shape, bool) if mask is None else mask
    return Structure(name, Volume(inside, GRID), StructureRole.OAR, standard_name)


@pytest.fixture
def dvhs() -> dict[str, Dvh]:
    lower = np.zeros(GRID.shape, bool)
    lower[:10] = True
    structures = [whole("Body, all"), whole("lower", lower), whole("empty", np.zeros(GRID.shape, bool))]
    return {s.name: compute_dvh(DOSE, s) for s in structures}


@pytest.fixture
def results() -> list[GoalResult]:
    patient = Patient("case", GRID, None, (whole("my cord", standard_name="SpinalCord"),))
    goals = (
        Goal("SpinalCord", Metric.parse("D0.03cc"), "<=", 45.0, 50.0, 1, 'QUANTEC 2010, "cord"'),
        Goal("SpinalCord", Metric.parse("Dmean"), "<=", 40.0, None, 2, "somewhere 2011"),
        Goal("SpinalCord", Metric.parse("V50Gy"), "<=", 10.0, 30.0, 3, "elsewhere 2012"),
        Goal("Lens_L", Metric.parse("D0.03cc"), "<=", 10.0, None, 3, "EPTN 2018"),
    )
    return evaluate_goals(GoalSet("set", "", "", goals), patient, DOSE, {})


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_dvh_csv(tmp_path: Path, dvhs: dict[str, Dvh]) -> None:
    path = tmp_path / "new folder" / "dvh.csv"
    write_dvh_csv(dvhs, path)
    rows = rows_of(path)
    assert list(rows[0]) == ["dose_gy", "Body, all", "lower", "empty"]
    doses = np.array([float(row["dose_gy"]) for row in rows])
    np.testing.assert_allclose(np.diff(doses), 0.05, atol=1e-9)
    assert doses[0] == 0.0
    assert float(rows[0]["Body, all"]) == 100.0
    assert float(rows[-1]["Body, all"]) == 0.0
    at_35_5 = next(row for row in rows if row["dose_gy"] == "35.50")
    assert float(at_35_5["Body, all"]) == pytest.approx(50.0, abs=0.01)
    assert float(at_35_5["lower"]) == pytest.approx(dvhs["lower"].volume_at_dose_percent(35.5), abs=1e-4)
    assert {row["empty"] for row in rows} == {""}
    assert [entry.name for entry in path.parent.iterdir()] == ["dvh.csv"]


def test_dvh_summary_csv(tmp_path: Path, dvhs: dict[str, Dvh]) -> None:
    write_dvh_summary_csv(dvhs, tmp_path / "summary.csv")
    body, lower, empty = rows_of(tmp_path / "summary.csv")
    assert float(body["volume_cc"]) == pytest.approx(24.0)
    assert float(body["mean_gy"]) == pytest.approx(35.5, abs=0.01)
    assert float(body["d95_percent_gy"]) == pytest.approx(0.05 * 71.0, abs=0.01)
    assert float(lower["max_gy"]) == pytest.approx(35.5, abs=0.01)
    assert (empty["structure"], float(empty["volume_cc"]), empty["mean_gy"]) == ("empty", 0.0, "")


def test_dvh_csv_of_nothing(tmp_path: Path) -> None:
    write_dvh_csv({}, tmp_path / "dvh.csv")
    assert rows_of(tmp_path / "dvh.csv") == [{"dose_gy": "0.00"}]


def test_goals_csv(tmp_path: Path, results: list[GoalResult]) -> None:
    write_goals_csv(results, tmp_path / "goals.csv")
    rows = rows_of(tmp_path / "goals.csv")
    assert list(rows[0])[:9] == [
        "structure", "metric", "comparator", "limit", "unit", "value", "verdict", "priority", "source",
    ]  # fmt: skip
    cord, mean, volume, lens = rows
    assert (cord["structure"], cord["metric"], cord["comparator"], cord["limit"]) == ("my cord", "D0.03cc", "<=", "45")
    assert (cord["unit"], cord["verdict"], cord["priority"]) == ("Gy", "fail", "1")
    assert cord["source"] == 'QUANTEC 2010, "cord"'
    assert float(cord["value"]) == pytest.approx(results[0].value, abs=1e-4)
    assert float(mean["value"]) == pytest.approx(35.5, abs=0.01)
    assert (mean["verdict"], volume["verdict"], volume["unit"]) == ("pass", "tolerance", "%")
    assert float(volume["value"]) == pytest.approx(100 * 21 / 71, abs=0.01)
    assert (lens["structure"], lens["value"], lens["verdict"]) == ("Lens_L", "", "not applicable")


def test_goals_table_for_a_terminal(results: list[GoalResult]) -> None:
    text = format_goals_table(results)
    lines = text.splitlines()
    header, rule, cord, mean, volume = lines[:5]
    assert header.split() == ["Structure", "Metric", "Goal", "Tolerance", "Value", "Verdict", "Priority"]
    assert set(rule) == {"-", " "}
    value = f"{results[0].value:.2f}"
    assert cord.split() == ["my", "cord", "D0.03cc", "<=", "45", "Gy", "50", "Gy", value, "Gy", "FAIL", "1"]
    assert "35.50 Gy  pass" in mean
    assert "29.58 %" in volume and "tolerance" in volume
    verdicts = ((header, "Verdict"), (cord, "FAIL"), (mean, "pass"), (volume, "tolerance"))
    columns = {line.index(word) for line, word in verdicts}
    assert len(columns) == 1, "the verdicts are not aligned"
    assert "Not applicable: Lens_L (not there)" in text
    assert "1 pass, 1 tolerance, 1 fail, 1 not applicable." in lines
    assert "not for clinical decisions" in lines[-1]
    assert text.isascii()
    assert max(map(len, lines)) <= 100


def test_goals_table_when_nothing_applies(results: list[GoalResult]) -> None:
    text = format_goals_table(results[3:])
    assert "No goal applies" in text
    assert math.isnan(results[3].value)


@pytest.mark.parametrize("write", [write_dvh_csv, write_dvh_summary_csv])
def test_unwritable_path_is_refused(tmp_path: Path, write, dvhs: dict[str, Dvh]) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("not a folder", encoding="utf-8")
    with pytest.raises(InputError, match="Cannot write .*choose a folder that you may write to"):
        write(dvhs, blocker / "out.csv")


def test_failed_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path, results: list[GoalResult]) -> None:
    path = tmp_path / "goals.csv"
    path.mkdir()  # a folder stands where the file should go: the move fails after everything was written
    with pytest.raises(InputError, match="Cannot write"):
        write_goals_csv(results, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["goals.csv"]
