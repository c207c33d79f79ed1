"""Tables in the challenge's layout, beside or within the folder of the prediction that they belong to."""

from __future__ import annotations

import pytest

from DosePredictionLib.cli.result_folders import check_openkbp_tables, remove_earlier_prediction
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.cases import Case


def test_a_table_in_the_challenges_layout_is_only_replaced_by_its_own_successor(tmp_path):
    folder, table = tmp_path / "ball", tmp_path / "ball.csv"
    folder.mkdir()
    table.write_text("another model's")
    for content in ("{}", '{"format": "nrrd"}'):
        (folder / "prediction.json").write_text(content)
        remove_earlier_prediction(folder, table)
        assert table.exists()
        with pytest.raises(InputError, match="was left by no prediction"):
            check_openkbp_tables([Case(tmp_path / "x", "ball")], [folder], tmp_path)
    (folder / "prediction.json").write_text('{"format": "openkbp", "weights": "default.safetensors"}')
    check_openkbp_tables([Case(tmp_path / "x", "ball")], [folder], tmp_path)
    remove_earlier_prediction(folder, table)
    assert not table.exists()


def test_a_case_predicted_anew_by_itself_leaves_no_table_of_its_batch(tmp_path):
    """The batch's table lies beside the folder; a table beside the folder of a single case is another model's."""
    folder = tmp_path / "ball"
    folder.mkdir()
    (folder / "prediction.json").write_text('{"format": "openkbp", "patient": "ball", "weights": "x.safetensors"}')
    beside, within = tmp_path / "ball.csv", folder / "ball.csv"
    beside.write_text("another model's")
    within.write_text("the single case's")
    remove_earlier_prediction(folder)
    assert beside.exists() and not within.exists()
    beside.write_text("the batch's")
    remove_earlier_prediction(folder)
    assert not beside.exists()
