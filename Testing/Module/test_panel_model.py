"""The model section: systems that came with weights, and the refinement where a calibration came too."""

from __future__ import annotations

from pathlib import Path

import pytest
from panel_session import Session
from standin.gestures import click

from DosePredictionLib.resources import resource_root


@pytest.fixture
def models(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped weights in a folder where more can be laid."""
    from DosePredictionPanel import model_section

    folder = tmp_path / "resources" / "Models"
    folder.mkdir(parents=True)
    for path in (resource_root() / "Models").iterdir():
        (folder / path.name).symlink_to(path)
    monkeypatch.setattr(model_section, "resource_root", lambda: folder.parent)
    return folder


def test_systems_without_weights_are_not_offered(models: Path) -> None:
    from DosePredictionPanel.model_section import shipped_systems

    (models / "adc-default.safetensors").touch()
    (models / "other.safetensors").touch()
    assert {"other", "default", "diffkt3d"} <= set(shipped_systems())
    assert not any(name.startswith("adc-") for name in shipped_systems()), "a calibration is no system"
    (models / "diffkt3d.safetensors").unlink()
    assert "diffkt3d" not in shipped_systems() and (models / "diffkt3d.md").exists()


def test_the_refinement_is_offered_where_a_calibration_came(models: Path, session: Session) -> None:
    panel = session.panel
    session.phantom()
    panel.model.widget.collapsed = False
    calibration = models / "adc-default.safetensors"
    calibration.unlink(missing_ok=True)
    panel.refresh()
    box = panel.model.ui.calibrateCheckBox
    assert not box.isVisible() and not panel.model.choice(panel.parameters).calibrate
    calibration.touch()
    panel.refresh()
    assert box.isVisible() and not box.checked, "only when it is asked for"
    click(box)
    session.settle()
    assert panel.model.choice(panel.parameters).calibrate
    panel.parameters.weights_path = str(resource_root() / "Models" / "default.safetensors")
    session.settle()
    assert not box.isVisible() and not panel.model.choice(panel.parameters).calibrate, "it is for the shipped weights"
    panel.parameters.weights_path = ""
    session.settle()
    calibration.unlink()
    assert not panel.model.choice(panel.parameters).calibrate, "a scene from a computer that has one"
