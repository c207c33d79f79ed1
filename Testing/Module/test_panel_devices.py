"""Devices with their names and free memory, and nodes that share a name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import slicer
from DosePredictionScene.self_test import phantom_nodes
from panel_session import Session
from standin.gestures import choose

GPUS = {"auto": "Automatic", "cpu": "Processor (CPU)", "cuda": "NVIDIA RTX A4000, 14.6 GiB free"}


def test_gpus_are_offered_with_name_and_free_memory(session: Session) -> None:
    found = [GPUS]
    session.panel._find_devices = lambda: found[-1]
    session.phantom()
    session.host.leave()
    session.host.enter()
    session.settle()
    session.panel.model.widget.collapsed = False
    box = session.panel.model.ui.deviceSelector
    choose(box, "NVIDIA RTX A4000, 14.6 GiB free")
    assert session.panel.parameters.device == "cuda"
    found.append(GPUS | {"cuda": "NVIDIA RTX A4000, 2.0 GiB free"})
    session.host.leave()
    session.host.enter()
    session.settle()
    assert box.currentText == "NVIDIA RTX A4000, 2.0 GiB free", "free memory is asked for anew"
    found.append({"auto": "Automatic", "cpu": "Processor (CPU)"})
    session.host.leave()
    session.host.enter()
    session.settle()
    assert box.currentText == "cuda (not found here)" and session.panel.parameters.device == "cuda"


def test_what_the_driver_says_is_understood(session: Session) -> None:
    from DosePredictionPanel.devices import read_gpus

    told = "NVIDIA RTX A4000, 15000\nNVIDIA A100-SXM4-80GB, 81000\nTesla, [N/A]\n\n"
    assert read_gpus(told) == [
        ("NVIDIA RTX A4000", "14.6 GiB"), ("NVIDIA A100-SXM4-80GB", "79.1 GiB"), ("Tesla", "memory unknown")
    ]  # fmt: skip


def test_asking_the_driver_opens_no_console_window(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from DosePredictionPanel import devices

    asked: list[int] = []

    def run(command: list[str], creationflags: int = 0, **more: Any) -> SimpleNamespace:
        asked.append(creationflags)
        return SimpleNamespace(stdout="NVIDIA RTX A4000, 15000\n")

    monkeypatch.setattr(devices.shutil, "which", lambda name: name)
    monkeypatch.setattr(devices.subprocess, "run", run)
    monkeypatch.setattr(devices, "_NO_WINDOW", 0x08000000, raising=False)
    assert devices.device_choices()["cuda"] == "NVIDIA RTX A4000, 14.6 GiB free"
    assert asked == [0x08000000]


def test_two_nodes_of_one_name_are_told_apart(session: Session) -> None:
    first, structures = session.phantom()
    second, others = phantom_nodes()
    second.SetName(first.GetName())
    others.SetName(structures.GetName())
    slicer.util.arrayFromVolume(second)[:] += 7
    session.settle()
    selectors = session.panel.inputs.ui
    for ct, segmentation in ((second, others), (first, structures), (second, others)):
        choose(selectors.ctSelector, ct)
        choose(selectors.segmentationSelector, segmentation)
        session.settle()
        assert session.panel.parameters.ct is ct and session.panel.parameters.segmentation is segmentation
    session.predict()
    assert second.GetNodeReference("DosePrediction.Dose") is not None
    assert first.GetNodeReference("DosePrediction.Dose") is None
    choose(selectors.ctSelector, first)
    session.settle()
    assert session.panel.results.ui.goalsTable.rowCount == 0
