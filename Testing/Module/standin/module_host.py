"""A scripted module in Slicer's module panel."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from standin.application.slicer_application import delete_what_is_to_be_deleted

#: Of the module panel; its own scroll area has neither frame nor margins (qSlicerModulePanel.ui).
PANEL_WIDTH = 440


class ModuleHost:
    """Loads a module as Slicer's factory does, and shows its widget as the module panel does.

    Args:
        path: the module's file, NAME.py.
    """

    def __init__(self, path: str | Path) -> None:
        self.module = slicer.app.moduleManager()._load(Path(path).resolve())
        self._scroll_area = QtWidgets.QScrollArea()
        self._scroll_area.widgetResizable = True
        self._scroll_area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        contents = QtWidgets.QWidget()
        QtWidgets.QVBoxLayout(contents).setContentsMargins(0, 0, 0, 0)
        self._scroll_area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self._scroll_area.setWidget(contents)
        self._before_reload: dict[str, ModuleType] = {}

    @property
    def widget(self) -> Any:
        """The module's widget object in Python."""
        return self.module.widgetRepresentation().self()

    @property
    def panel(self) -> Any:
        """The panel with the module's widget in it."""
        return self._scroll_area

    def enter(self, height: int = 900) -> Any:
        """Choose the module in the application; its widget object in Python."""
        representation = self.module.widgetRepresentation()
        representation.layout().setContentsMargins(0, 0, 0, 0)
        self._scroll_area.widget().layout().addWidget(representation)
        representation.setVisible(True)
        self._scroll_area.resize(PANEL_WIDTH, height)
        self._scroll_area.show()
        representation.enter()
        slicer.app.processEvents()
        return self.widget

    def leave(self) -> None:
        """Choose another module."""
        representation = self.module.widgetRepresentation()
        representation.exit()
        self._scroll_area.widget().layout().removeWidget(representation)
        representation.setVisible(False)
        representation.setParent(None)

    def reload(self) -> Any:
        """Developer mode's Reload. When the module is closed, what it imports is again what it was."""
        self._before_reload = self._before_reload or dict(sys.modules)
        self.widget.onReload()
        slicer.app.processEvents()
        return self.widget

    def grab(self, path: str | Path | None = None, whole: bool = True) -> Any:
        """A picture of the panel, whole or as far as it is seen; written as PNG where there is a path."""
        slicer.app.processEvents()
        if whole:
            self._grow()
        picture = self._scroll_area.grab()
        if path is not None and not picture.save(str(path), "PNG"):
            raise OSError(f"{path} can't be written")
        return picture

    def grab_at(self, height: int) -> Any:
        """A picture of what is seen of the panel at a height."""
        self._scroll_area.resize(self._scroll_area.width, height)
        slicer.app.processEvents()
        return self._scroll_area.grab()

    def _grow(self) -> None:
        """Make the panel so high that nothing is scrolled out of sight, not in the module's own scroll areas either."""
        contents = self._scroll_area.widget()
        within = [area for area in contents.findChildren(QtWidgets.QScrollArea) if area.isVisible()]
        scrolled = sum(area.widget().sizeHint().height() - area.viewport().height for area in within)
        height = self._scroll_area.height + scrolled if within else contents.sizeHint().height()
        self._scroll_area.resize(self._scroll_area.width, max(height, 200))
        slicer.app.processEvents()

    def close(self) -> None:
        """Unload the module, as when the application ends."""
        representation = self.module._representation
        if representation is not None and representation.isEntered:
            self.leave()
        slicer.app.moduleManager()._unload(self.module.name)
        self._scroll_area.deleteLater()
        slicer.app.processEvents()
        delete_what_is_to_be_deleted()
        _put_back(self._before_reload)


def _put_back(before: dict[str, ModuleType]) -> None:
    """Bring packages that were reloaded to what they were: other tests hold their classes."""
    reloaded = {n for n, module in before.items() if "." not in n and sys.modules.get(n, module) is not module}
    for name in [name for name in sys.modules if name.partition(".")[0] in reloaded]:
        del sys.modules[name]
    sys.modules.update({name: module for name, module in before.items() if name.partition(".")[0] in reloaded})
