"""Installing what is missing: offered with names and sizes, declined, failed, tried again; not asked without need."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from panel_session import Session
from PySide6 import QtCore
from PySide6.QtTest import QTest
from standin.gestures import click

OK, CANCEL = 0x400, 0x400000  # of QMessageBox
PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def test_nothing_is_asked_when_all_is_there(session: Session) -> None:
    session.phantom()
    assert not session.panel.install.widget.isVisible()
    session.predict()
    assert session.standin.dialogs.shown == [] and session.standin.installer.asked == []


def test_what_slicer_is_asked_for_is_what_the_library_needs(session: Session) -> None:
    """Each package with the least version that pyproject.toml names, wherever it names it."""
    from DosePredictionPanel.requirements import NEEDED_BY, SAFETENSORS, TORCH

    declared = re.findall(r'"([A-Za-z][\w.-]*>=[\d.]+)(?=[";])', PYPROJECT.read_text(encoding="utf-8"))
    for requirement in (TORCH, SAFETENSORS, *NEEDED_BY["addiff_dose"]):
        name = requirement.partition(">=")[0]
        assert {one for one in declared if one.partition(">=")[0] == name} == {requirement}
    (extra,) = re.findall(r"^addiff = \[(.*)\]$", PYPROJECT.read_text(encoding="utf-8"), re.MULTILINE)
    assert {f'"{one}"' for one in NEEDED_BY["addiff_dose"]} == set(extra.split(", "))


def test_the_section_is_no_window_of_its_own_before_it_has_its_place(session: Session) -> None:
    from DosePredictionPanel.install_section import InstallSection

    session.standin.installer.missing = {"torch"}
    section = InstallSection(lambda: None)
    assert section.widget.isWindow() and not section.widget.isVisible()


def test_declined_then_accepted(session: Session) -> None:
    session.standin.installer.missing = {"torch", "safetensors"}
    session.panel.install.show()
    session.phantom()
    assert session.panel.install.widget.isVisible()
    session.standin.dialogs.answer(CANCEL)
    click(session.panel.run.ui.predictButton)
    (asked,) = session.standin.dialogs.texts
    assert "torch>=2.6" in asked and "2.5 GB" in asked and "safetensors>=0.5" in asked
    assert session.standin.installer.asked == [] and not session.panel.logic.busy
    assert "Nothing was predicted" in session.status
    session.standin.dialogs.answer(OK)
    session.predict()
    assert [names[0] for names in session.standin.installer.asked] == ["torch>=2.6", "safetensors>=0.5"]
    assert "Dose predicted" in session.status and not session.panel.install.widget.isVisible()


def test_a_failure_is_shown_and_can_be_tried_again(session: Session) -> None:
    installer, install = session.standin.installer, session.panel.install
    installer.missing, installer.fails = {"safetensors"}, True
    install.show()
    session.standin.dialogs.answer(OK)
    click(install.ui.installButton)
    assert "safetensors>=0.5 could not be installed" in install.ui.installStatusLabel.text
    assert install.widget.isVisible() and install.ui.installButton.enabled
    installer.fails = False
    session.standin.dialogs.answer(OK)
    click(install.ui.installButton)
    assert not install.widget.isVisible()


def test_nothing_begins_while_packages_are_installed(session: Session) -> None:
    """Slicer lets the application run at every line of the installer's, and the user is impatient."""
    installer, panel = session.standin.installer, session.panel
    installer.missing = {"torch", "safetensors"}
    panel.install.show()
    session.phantom()
    pressed = []

    def press_everything() -> None:
        button = panel.run.ui.predictButton
        pressed.append((button.enabled, panel.install.ui.installButton.enabled))
        QTest.mouseClick(button, QtCore.Qt.MouseButton.LeftButton)
        QTest.mouseClick(panel.install.ui.installButton, QtCore.Qt.MouseButton.LeftButton)
        button.setFocus()
        QTest.keyClick(panel._scroll_area, QtCore.Qt.Key.Key_Return, QtCore.Qt.KeyboardModifier.ControlModifier)
        assert not panel.install.offer(), "whoever asks"

    session.standin.dialogs.answer(OK)
    with during_installation(session, press_everything):
        session.predict()
    assert len(installer.asked) == 2 and len(session.standin.dialogs.shown) == 1
    assert pressed == [(False, False)] * 2 and "Dose predicted" in session.status
    assert panel.run.ui.predictButton.enabled and panel.install.ui.installButton.enabled


def test_what_changed_while_packages_were_installed_counts(session: Session) -> None:
    installer, panel = session.standin.installer, session.panel
    installer.missing = {"safetensors"}
    ct, _segmentation = session.phantom()

    def choose_no_ct() -> None:
        panel.parameters.ct = None

    session.standin.dialogs.answer(OK)
    with during_installation(session, choose_no_ct):
        click(panel.run.ui.predictButton)
    session.settle()
    assert not panel.logic.busy and session.status == "Choose the planning CT."
    panel.parameters.ct = ct
    session.settle()
    installer.installed.clear()
    session.standin.dialogs.answer(OK)
    with during_installation(session, session.host.leave):
        click(panel.run.ui.predictButton)
    assert not panel.logic.busy and "you left the module" in session.status
    session.host.enter()
    session.predict()
    assert "Dose predicted" in session.status


def during_installation(session: Session, do: Callable[[], Any]) -> AbstractContextManager[Any]:
    """Let the user do something at the first line that each installation prints."""
    installer = session.standin.installer
    install = installer.install

    def install_slowly(requirements: list[str], log: Any) -> None:
        QtCore.QTimer.singleShot(0, do)
        install(requirements, log)

    return patch.object(installer, "install", install_slowly)


def test_without_the_pytorch_extension_it_says_where_to_get_it(session: Session) -> None:
    session.standin.installer.missing = {"torch"}
    session.standin.without_pytorch_extension()
    session.panel.install.show()
    session.standin.dialogs.answer(OK)
    click(session.panel.install.ui.installButton)
    assert "Extensions Manager" in session.panel.install.ui.installStatusLabel.text


def test_a_system_with_needs_of_its_own_is_offered_them(session: Session) -> None:
    session.standin.installer.missing = {"monai", "einops"}
    session.phantom()
    assert not session.panel.install.widget.isVisible(), "the default system does without"
    session.panel.parameters.system = "addiff_dose"
    session.settle()
    assert session.panel.install.widget.isVisible()
    session.standin.dialogs.answer(OK)
    session.predict()
    assert session.standin.installer.asked == [["monai>=1.5", "einops>=0.8"]]


def test_where_pytorch_cannot_be_had_it_is_said_and_not_offered(session: Session) -> None:
    session.standin.installer.missing = {"torch"}
    session.phantom()
    with patch("sys.platform", "darwin"), patch("platform.machine", return_value="x86_64"):
        session.panel.install.show()
        assert "Apple silicon" in session.panel.install.ui.installStatusLabel.text
        assert not session.panel.install.ui.installButton.isVisible()
        click(session.panel.run.ui.predictButton)
    assert session.standin.dialogs.shown == [] and session.standin.installer.asked == []
    assert "Nothing was predicted" in session.status


def test_before_slicer_5_11_the_older_installer_is_asked(session: Session) -> None:
    session.standin.without_packaging()
    session.panel.install.show()
    assert not session.panel.install.widget.isVisible(), "all is there, as the packages' own versions say"
    with patch("DosePredictionPanel.requirements.metadata.version", side_effect=metadata.PackageNotFoundError):
        session.panel.install.show()
        assert session.panel.install.widget.isVisible()
        session.standin.dialogs.answer(OK)
        click(session.panel.install.ui.installButton)
    assert [names[0] for names in session.standin.installer.asked] == ["torch>=2.6", "safetensors>=0.5"]
    session.panel.install.show()
    assert not session.panel.install.widget.isVisible()


def test_an_older_version_is_missing_before_slicer_5_11(session: Session) -> None:
    session.standin.without_packaging()
    with patch("DosePredictionPanel.requirements.metadata.version", return_value="0.4.9"):
        session.panel.install.show()
    assert "safetensors>=0.5" in session.panel.install.ui.installLabel.text
