"""slicer.ScriptedLoadableModule and slicer.i18n: the base classes of a module in Python, and its translations."""

from __future__ import annotations

import importlib
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from standin.pythonqt.described import stand_ins


class ScriptedLoadableModule:
    """Describes a module. ``parent`` is the qSlicerScriptedLoadableModule."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.contributors = []
        for ending in ("svg", "png"):
            picture = self.resourcePath(f"Icons/{self.moduleName}.{ending}")
            if Path(picture).is_file():
                parent.icon = QtGui.QIcon(picture)
        if not hasattr(slicer, "selfTests"):
            slicer.selfTests = {}
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        url = (
            slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p><a href="{url}">{url}</a></p>'

    def runTest(self, msec: int = 100, **arguments: Any) -> None:
        case = getattr(importlib.import_module(type(self).__module__), f"{self.moduleName}Test")()
        case.messageDelay = msec
        case.runTest(**arguments)


class ScriptedLoadableModuleWidget:
    """A module's panel. ``parent`` is the qSlicerScriptedLoadableModuleWidget; without one, a window is made."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        self.parent = parent
        if parent is None:
            self.parent = stand_ins["qMRMLWidget"]()
            self.parent.setLayout(QtWidgets.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self) -> None:
        """Build the panel."""

    def cleanup(self) -> None:
        """The module is unloaded."""

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)

    def _onModuleAboutToBeUnloaded(self, name: str) -> None:
        if name == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)


class ScriptedLoadableModuleLogic:
    """A module's work."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node, made where there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                node.SetAttribute("ModuleName", self.moduleName)
                return node
        elif self.getAllParameterNodes():
            return self.getAllParameterNodes()[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's own test."""

    messageDelay = 0

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Does not wait: nobody is watching."""
        slicer.app.processEvents()

    def runTest(self) -> None:
        """Overridden by the module's test."""


def make_scripted_loadable_module() -> ModuleType:
    """The module slicer.ScriptedLoadableModule."""
    module = ModuleType("slicer.ScriptedLoadableModule")
    classes = (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    )
    module.__dict__.update({cls.__name__: cls for cls in classes})
    module.__dict__["__all__"] = [cls.__name__ for cls in classes]
    return module


def make_i18n() -> ModuleType:
    """The module slicer.i18n; it asks Qt's translators."""
    module = ModuleType("slicer.i18n")

    def translate(context: str, text: str) -> str:
        if not isinstance(text, str):
            raise TypeError(f"only text is translated, not {text!r}")
        return str(QtCore.QCoreApplication.translate(context, text))

    def tr(text: str) -> str:
        return translate("", text)

    module.__dict__.update(translate=translate, tr=tr)
    return module
