"""What is said of JSON files that can't be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json


def test_the_content_is_read_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    content = {"organ": "Glándula", "limits_gy": [26.0, None, True]}
    for mark in (b"", b"\xef\xbb\xbf"):
        path = tmp_path / "file.json"
        path.write_bytes(mark + json.dumps(content, ensure_ascii=False).encode())
        assert read_json(path, "goals") == content
        assert read_json(str(path), "goals", strict=True) == content


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "Cannot read goals from {path}: No such file or directory; check the path."),
        (b'{"a": 1,\n "b": }', "{path} is not valid JSON at line 2, column 7 (Expecting value); correct it there."),
        (b"\xff\xfe{\x00", "{path} is not text in UTF-8, so it cannot hold goals; save it as UTF-8 JSON."),
        (b"[" * 200_000, "{path} is nested too deeply to hold goals; check the file."),
    ],
)
def test_each_failure_is_one_sentence_with_the_place(tmp_path: Path, written: bytes | None, said: str) -> None:
    path = tmp_path / "goals.json"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(InputError) as refused:
        read_json(path, "goals")
    assert str(refused.value) == said.format(path=path)


def test_a_folder_and_an_endless_number_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot read a scorecard from .*directory"):
        read_json(tmp_path, "a scorecard")
    (tmp_path / "long.json").write_text("9" * 10_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"long\.json cannot be read as JSON"):
        read_json(tmp_path / "long.json", "a scorecard")


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"limit": NaN}', "holds NaN"), ('{"limit": -Infinity}', "holds -Infinity"), ('{"a": 1, "a": 2}', "'a' twice")],
)
def test_only_the_strict_reading_refuses_what_python_lets_pass(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "goals.json"
    path.write_text(text, encoding="utf-8")
    assert isinstance(read_json(path, "goals"), dict)
    with pytest.raises(InputError, match=said):
        read_json(path, "goals", strict=True)
