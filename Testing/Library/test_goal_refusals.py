"""What the reader of goals and their schema refuse alike."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from DosePredictionLib.dosimetry.goal_reading import read_goals
from DosePredictionLib.errors import InputError
from DosePredictionLib.resources import resource_path

GOOD = {"structure": "SpinalCord", "metric": "D0.03cc", "comparator": "<=", "limit": 45, "source": "somewhere 2010"}


def schema() -> dict:
    return json.loads(resource_path("Goals", "schema.json").read_text(encoding="utf-8"))


def refusal(path: Path, content: dict) -> str:
    """What the reader says of goals that the schema refuses too."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema())
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"year": "2010"}, "has 'year' = '2010'; give the source's year as a whole number, like 2010."),
        ({"year": 20100}, "has 'year' = 20100; give the source's year"),
        ({"fractions": 0}, "has 'fractions' = 0; give a whole number from 1, or [fewest, most]"),
        ({"fractions": [5]}, "has 'fractions' = [5]; give a whole number"),
        ({"fractions": [5.5, 7]}, "has 'fractions' = [5.5, 7]; give a whole number"),
        ({"checked": "yes"}, "has 'checked' = 'yes'; give true or false."),
        ({"active": 1}, "has 'active' = 1; give true or false."),
        ({"note": 3}, "has 'note' = 3; give a text."),
        ({"priority": 0}, "has priority 0; give a whole number from 1"),
        ({"comparator": "="}, "compares with '='; use one of <=, >=, <, >."),
        ({"limit": "45"}, "has 'limit' = '45'; give a number that is not negative."),
        ({"colour": "red"}, "has an unknown entry 'colour'; use only active, checked"),
    ],
)
def test_reader_and_schema_refuse_the_same(tmp_path: Path, change: dict, sentence: str) -> None:
    content = {"goals": [GOOD, {**GOOD, **change}]}
    said = refusal(tmp_path / "bad.json", content)
    assert f"Goal 2 (SpinalCord) of {tmp_path / 'bad.json'}" in said and sentence in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sites": "thorax"}, "has 'sites' = 'thorax'; give a list of texts, like [\"thorax\"]."),
        ({"techniques": [""]}, "has 'techniques' = [''];"),
        ({"fractions": "25-35"}, "has 'fractions' = '25-35';"),
        ({"author": "me"}, "has an unknown entry 'author'"),
    ],
)
def test_reader_and_schema_refuse_the_same_sets(tmp_path: Path, change: dict, sentence: str) -> None:
    content = {"goals": [GOOD], **change}
    assert sentence in refusal(tmp_path / "bad.json", content)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"goals": [{"limit": 1e999}]}', "has no 'structure'"),
        (json.dumps({"goals": [GOOD]}).replace("45", "1e999"), "'limit' = inf"),
        ('{"name": "a", "name": "b", "goals": []}', "gives 'name' twice in one place; keep one of the two."),
        (json.dumps({"goals": [{**GOOD, "structure": "ring of PTV"}]}), "is no ring"),
    ],
)  # fmt: skip
def test_reader_refuses_what_a_schema_cannot(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_goals(path)
    assert sentence in str(caught.value)
