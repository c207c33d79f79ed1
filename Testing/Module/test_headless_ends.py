"""How the headless command ends when it is told to, and by an error."""

from __future__ import annotations

import runpy
import signal
import sys
from pathlib import Path

import pytest
from DosePredictionScene import headless
from DosePredictionScene.headless import main


def test_in_slicer_an_error_ends_the_application_that_nobody_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended: list[int] = []

    def broken(_options: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("DosePredictionScene.headless_case.predict_case", broken)
    monkeypatch.setattr("slicer.app.exit", None, raising=False)
    monkeypatch.setattr("slicer.util.exit", ended.append)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["headless.py", str(tmp_path), "-o", str(tmp_path / "out")])
    runpy.run_path(str(headless.__file__), run_name="__main__")
    assert ended == [1], "Slicer would print what a script raises, and go on for ever"
    assert "RuntimeError: the disk is full" in capsys.readouterr().err


def test_a_script_told_to_end_tidies_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tidied = []

    def told(_options: object) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            tidied.append("the prediction process")

    monkeypatch.setattr("DosePredictionScene.headless_case.predict_case", told)
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "-o", str(tmp_path / "out")])
    assert ended.value.code == 143 and tidied
