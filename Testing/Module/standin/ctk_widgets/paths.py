"""Files and folders: ctkPathLineEdit, ctkDirectoryButton."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtWidgets

from standin.pythonqt.described import Stored, stand_in

DIR_FILTERS = {
    "Dirs": 0x001, "Files": 0x002, "Drives": 0x004, "NoSymLinks": 0x008, "AllEntries": 0x007, "TypeMask": 0x00F,
    "Readable": 0x010, "Writable": 0x020, "Executable": 0x040, "PermissionMask": 0x070, "Modified": 0x080,
    "Hidden": 0x100, "System": 0x200, "AccessMask": 0x3F0, "AllDirs": 0x400, "CaseSensitive": 0x800, "NoDot": 0x2000,
    "NoDotDot": 0x4000, "NoDotAndDotDot": 0x6000, "NoFilter": -1,
}  # fmt: skip


@stand_in()
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path that is typed or browsed to."""

    locals().update(DIR_FILTERS)
    filters = Stored(DIR_FILTERS["AllEntries"] | DIR_FILTERS["NoDotAndDotDot"] | DIR_FILTERS["Readable"])
    nameFilters = Stored([])
    options = Stored(0)
    label = Stored("")
    minimumContentsLength = Stored(0)
    showHistoryButton = Stored(True)
    sizeAdjustPolicy = Stored(0)
    settingKey = Stored("")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)))
        self._combo_box = QtWidgets.QComboBox(self)
        self._combo_box.editable = True
        self._browse_button = QtWidgets.QToolButton(self)
        self._browse_button.text = "..."
        self._browse_button.connect("clicked()", self.browse)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo_box, 1)
        layout.addWidget(self._browse_button)
        self._was_acceptable = False
        self._combo_box.lineEdit().connect("textChanged(QString)", self._on_text_changed)

    showBrowseButton = property(
        lambda self: self._browse_button.isVisibleTo(self), lambda self, v: self._browse_button.setVisible(v)
    )

    @property
    def currentPath(self) -> str:
        return str(self._combo_box.lineEdit().text)

    @currentPath.setter
    def currentPath(self, path: str) -> None:
        self.setCurrentPath(path)

    def setCurrentPath(self, path: str) -> None:
        self._combo_box.lineEdit().setText(path)

    def comboBox(self) -> Any:
        return self._combo_box

    def browse(self) -> None:
        patterns = ";;".join(self.nameFilters)
        if not self.filters & DIR_FILTERS["Files"]:
            path = QtWidgets.QFileDialog.getExistingDirectory(self, "Select a directory...", self.currentPath)
        elif self.filters & DIR_FILTERS["Writable"]:
            path = QtWidgets.QFileDialog.getSaveFileName(self, "Select a file to save ", self.currentPath, patterns)
        else:
            path = QtWidgets.QFileDialog.getOpenFileName(self, "Open a file", self.currentPath, patterns)
        path = path[0] if isinstance(path, tuple) else path
        if path:
            self.setCurrentPath(path)

    def addCurrentPathToHistory(self) -> None:
        if self._combo_box.findText(self.currentPath) < 0:
            self._combo_box.insertItem(0, self.currentPath)

    def retrieveHistory(self) -> None:
        """The stand-in has no history from earlier."""

    def _is_acceptable(self) -> bool:
        """Whether the path ends as one of the name filters says; whether there is such a file, CTK doesn't ask."""
        endings = [ending for names in self.nameFilters for ending in re.findall(r"\*[^\s()]*", names)]
        return not endings or any(fnmatch.fnmatch(self.currentPath, ending) for ending in endings)

    def _on_text_changed(self, path: str) -> None:
        was_acceptable, self._was_acceptable = self._was_acceptable, self._is_acceptable()
        if self._was_acceptable:
            self.currentPathChanged.emit(path)  # of other texts, an empty one among them, nothing is said
        if self._was_acceptable != was_acceptable:
            self.validInputChanged.emit(self._was_acceptable)


@stand_in()
class ctkDirectoryButton(QtWidgets.QWidget):
    """A button that shows a folder and lets another be chosen."""

    acceptMode = Stored(QtWidgets.QFileDialog.AcceptMode.AcceptOpen)
    caption = Stored("")
    elideMode = Stored(QtCore.Qt.TextElideMode.ElideMiddle)
    options = Stored(0)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)))
        self._button = QtWidgets.QPushButton(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        self._button.connect("clicked()", self.browse)
        self._directory, self._text = "", ""
        self.directory = next((argument for argument in arguments if isinstance(argument, str)), str(Path.cwd()))

    @property
    def directory(self) -> str:
        return self._directory

    @directory.setter
    def directory(self, directory: str) -> None:
        directory = str(Path(directory).absolute())
        if directory != self._directory:
            self._directory = directory
            self._button.text = self._text or directory
            self.directoryChanged.emit(directory)

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        self._button.text = text or self._directory

    def browse(self) -> None:
        directory = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption or self.toolTip, self._directory)
        if directory:
            self.directory = directory
            self.directorySelected.emit(self._directory)
