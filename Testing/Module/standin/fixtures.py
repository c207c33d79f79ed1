"""Fixtures for tests of the panel: ``from standin.fixtures import standin, standin_without_window``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from standin.session import Standin


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    """The stand-in with a main window. An exception in a slot, or a warning of Qt's, fails the test."""
    yield from _standin(Standin(tmp_path / "slicer"))


@pytest.fixture
def standin_without_window(tmp_path: Path) -> Iterator[Standin]:
    """As ``Slicer --no-main-window``: no layout manager."""
    yield from _standin(Standin(tmp_path / "slicer", main_window=False))


def _standin(session: Standin) -> Iterator[Standin]:
    session.begin()
    try:
        yield session
    finally:
        session.end()
    assert not session.failures.report(), session.failures.report()
    assert not session.dialogs.unused(), f"never asked for: {session.dialogs.unused()}"
