"""Doses in the challenge's layout keep every bit, and damaged tables are named."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.openkbp_axes import openkbp_geometry
from DosePredictionLib.patient.reader_openkbp_csv import read_openkbp_dose
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_openkbp_csv import write_openkbp_dose

GRID = openkbp_geometry(np.array([3.5, 4.0, 2.5]))


def test_values_come_back_to_the_last_bit(tmp_path):
    dose = np.zeros(GRID.shape, np.float32)
    dose[60:64] = np.random.default_rng(1).uniform(0, 75, dose[60:64].shape)
    write_openkbp_dose(Volume(dose, GRID), tmp_path / "pt_7.csv")
    assert np.array_equal(read_openkbp_dose(tmp_path / "pt_7.csv", GRID).array, dose)


def test_a_dose_of_zero_everywhere_is_an_empty_table(tmp_path):
    zero = Volume(np.zeros(GRID.shape, np.float32), GRID)
    write_openkbp_dose(zero, tmp_path / "pt_7.csv")
    assert (tmp_path / "pt_7.csv").read_text() == ",data\n"
    assert not read_openkbp_dose(tmp_path / "pt_7.csv", GRID).array.any()


@pytest.mark.parametrize("rows", ["2097152,1.0", "-1,1.0", "3.5,1.0", "12,", "12,x", "12"])
def test_damaged_tables_are_named(tmp_path, rows):
    (tmp_path / "pt_7.csv").write_text(f",data\n5,1.0\n{rows}\n")
    with pytest.raises(InputError, match="pt_7.csv"):
        read_openkbp_dose(tmp_path / "pt_7.csv", GRID)


def test_a_turned_grid_does_not_fit_the_layout(tmp_path):
    turned = Geometry(GRID.shape, GRID.spacing_mm, GRID.origin_mm, (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    with pytest.raises(InputError, match="axial"):
        write_openkbp_dose(Volume(np.zeros(GRID.shape, np.float32), turned), tmp_path / "a.csv")
