"""The main window: qSlicerMainWindow with its module selector. There is nothing in it to look at."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from standin.pythonqt.described import stand_in


@stand_in()
class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Which module is shown: it remembers what was selected."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._selected = ""

    selectedModule = property(lambda self: self._selected, lambda self, name: self.selectModule(name))

    def selectModule(self, name: str) -> None:
        self._selected = name
        self.moduleSelected.emit(name)


@stand_in(silent="initialWindowShown()")
class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The main window."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setObjectName("qSlicerMainWindow")
        self._module_selector = qSlicerModuleSelectorToolBar(self)

    def moduleSelector(self) -> Any:
        return self._module_selector
