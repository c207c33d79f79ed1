"""Modules: what `slicer.modules.NAME` is, the module manager, and a module's widget in the module panel."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from standin.mrml_widgets.scene import qSlicerWidget
from standin.pythonqt.described import Stored, stand_in

FACTORY_NEVER_EMITS = (
    "explicitModulesChanged(QStringList) moduleAboutToBeInstantiated(QString) moduleAboutToBeUninstantiated(QString)"
    " moduleIgnored(QString) moduleInstantiated(QString) moduleRegistered(QString) moduleUninstantiated(QString)"
    " modulesAboutToBeUninstantiated(QStringList) modulesInstantiated(QStringList) modulesRegistered(QStringList)"
    " modulesToIgnoreChanged(QStringList) modulesUninstantiated(QStringList)"
)
LOADING_NEVER_EMITS = (
    "moduleAboutToBeUnloaded(QString) moduleLoaded(QString) moduleUnloaded(QString) modulesUnloaded(QStringList)"
    " modulesAboutToBeUnloaded(QStringList) modulesLoaded(QStringList) mrmlSceneChanged(vtkMRMLScene*)"
)


@stand_in()
class qSlicerAbstractCoreModule(QtCore.QObject):
    """A module."""

    associatedNodeTypes = Stored([])

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._name = self._path = ""

    name = property(lambda self: self._name)
    path = property(lambda self: self._path)


@stand_in()
class qSlicerAbstractModule(qSlicerAbstractCoreModule):
    """A module with an icon."""

    icon = Stored(QtGui.QIcon())


@stand_in()
class qSlicerLoadableModule(qSlicerAbstractModule):
    """A module in a file."""


@stand_in()
class qSlicerScriptedLoadableModule(qSlicerLoadableModule):
    """A module in Python: its class fills in these when it is made."""

    title = Stored("")
    categories = Stored([])
    contributors = Stored([])
    helpText = Stored("")
    acknowledgementText = Stored("")
    extensions = Stored({})
    hidden = Stored(False)
    dependencies = Stored([])
    index = Stored(-1)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._representation: Any = None

    def widgetRepresentation(self) -> Any:
        """The module's widget, made when it is first asked for."""
        if self._representation is None:
            self._representation = self.createNewWidgetRepresentation()
        return self._representation

    def createNewWidgetRepresentation(self) -> Any:
        """Another widget. As in Slicer it is set up first, and given the scene then."""
        widget = qSlicerScriptedLoadableModuleWidget()
        widget._module = self
        widget.reload()
        widget.setMRMLScene(slicer.mrmlScene)
        return widget

    def _load(self, path: Path) -> None:
        self._name, self._path = path.stem, str(path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        code = importlib.import_module(self._name)
        setattr(slicer.modules, f"{self._name}Instance", getattr(code, self._name)(self))


@stand_in()
class qSlicerAbstractModuleWidget(qSlicerWidget):
    """A module's widget."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._entered = False

    isEntered = property(lambda self: self._entered)

    def enter(self) -> None:
        if self._entered:
            raise AssertionError("a module is entered that is entered already")
        self._entered = True

    def exit(self) -> None:
        if not self._entered:
            raise AssertionError("a module is left that is not entered")
        self._entered = False


@stand_in()
class qSlicerScriptedLoadableModuleWidget(qSlicerAbstractModuleWidget):
    """The widget of a module in Python; the object in Python is made with it as its parent."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self)
        self._module: Any = None
        self._python: Any = None

    moduleName = property(lambda self: self._module.name)

    def self(self) -> Any:
        return self._python

    def reload(self) -> None:
        name = self._module.name
        self.setObjectName(f"{name}ModuleWidget")
        self._python = getattr(sys.modules[name], f"{name}Widget")(self)
        setattr(slicer.modules, f"{name}Widget", self._python)
        self._python.setup()

    def enter(self) -> None:
        super().enter()
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        super().exit()
        if hasattr(self._python, "exit"):
            self._python.exit()


@stand_in(silent=FACTORY_NEVER_EMITS)
class qSlicerAbstractModuleFactoryManager(QtCore.QObject):
    """Makes modules."""


@stand_in(silent=LOADING_NEVER_EMITS)
class qSlicerModuleFactoryManager(qSlicerAbstractModuleFactoryManager):
    """Makes and loads modules."""

    def loadedModuleNames(self) -> list[str]:
        return list(self.parent().modulesNames())

    def isLoaded(self, name: str) -> bool:
        return name in self.loadedModuleNames()


@stand_in()
class qSlicerModuleManager(QtCore.QObject):
    """Knows the loaded modules."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._modules: dict[str, Any] = {}
        self._factory = qSlicerModuleFactoryManager(self)

    def factoryManager(self) -> Any:
        return self._factory

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> list[str]:
        return list(self._modules)

    def _load(self, path: Path) -> Any:
        module = qSlicerScriptedLoadableModule(self)
        module._name, module._path = path.stem, str(path)
        self._modules[path.stem] = module
        setattr(slicer.modules, path.stem.lower(), module)
        setattr(slicer.moduleNames, path.stem, path.stem)
        module._load(path)
        self.moduleLoaded.emit(path.stem)
        return module

    def _unload(self, name: str) -> None:
        module = self._modules.pop(name)
        self.moduleAboutToBeUnloaded.emit(name)
        if module._representation is not None:
            module._representation.setParent(None)
            module._representation.deleteLater()
        for attribute in (name.lower(), f"{name}Instance", f"{name}Widget"):
            slicer.modules.__dict__.pop(attribute, None)
        slicer.moduleNames.__dict__.pop(name, None)
        module.deleteLater()
