"""slicer-core as a Slicer without an application: scene, application logic, module logics, views without windows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import slicer
import vtk

#: Name in slicer.modules, logic class of the slicer-core wheel.
MODULE_LOGICS = {
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Colors": "vtkSlicerColorLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
}
#: Ships as a file with Slicer, not with the wheel; every labelmap's display asks for it.
GENERIC_COLOURS_TAG = "FileGenericColors.txt"
#: Written into scene files: the earliest Slicer whose files these are. Under the wheel's own name, "slicer-core 4.0.0",
#: Slicer warns on opening that another program has saved the scene.
SCENE_VERSION = "Slicer 5.10.0 31053"


#: Whether `start_headless_application` has started slicer-core. Tests put another ``slicer.app`` on top of it.
_started = False


class HeadlessModule:
    """What ``slicer.modules.NAME`` is to scripts."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        """The module's logic."""
        return self._logic


class HeadlessApplication:
    """What ``slicer.app`` is to scripts that need no window."""

    def __init__(self, logic: Any, temporary_folder: tempfile.TemporaryDirectory[str]) -> None:
        self._logic = logic
        self._layout_logic: Any = None
        self._temporary_folder = temporary_folder  # removed when the process ends
        self.temporaryPath = temporary_folder.name

    def applicationLogic(self) -> Any:
        """A vtkSlicerApplicationLogic."""
        return self._logic

    def layoutManager(self) -> None:
        """No layout manager: there are no widgets."""
        return None

    def mrmlScene(self) -> Any:
        """The scene."""
        return slicer.mrmlScene

    def lay_out_views(self) -> None:
        """Make the view nodes of the default layout, and a slice logic for each slice view."""
        if self._layout_logic is None:
            self._layout_logic = slicer.vtkMRMLLayoutLogic()
            self._layout_logic.SetMRMLApplicationLogic(self._logic)
            self._layout_logic.SetMRMLScene(slicer.mrmlScene)
        layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        layout.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._logic.GetSliceLogics().RemoveAllItems()
        for node in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._logic)
            self._logic.GetSliceLogics().AddItem(logic)
            logic.SetMRMLScene(slicer.mrmlScene)
            logic.SetSliceNode(node)


def start_headless_application() -> None:
    """Start slicer-core as a Slicer; inside Slicer, or when it runs already, nothing happens."""
    global _started
    if hasattr(slicer, "app"):
        return
    with quiet_vtk():
        scene = slicer.vtkMRMLScene()
        slicer.mrmlScene = scene
        scene.SetVersion(SCENE_VERSION)
        logic = slicer.vtkSlicerApplicationLogic()
        temporary_folder = tempfile.TemporaryDirectory(prefix="dose-prediction-scene-", ignore_cleanup_errors=True)
        logic.SetTemporaryPath(temporary_folder.name)
        logic.SetMRMLScene(scene)
        logic.GetColorLogic().SetMRMLScene(scene)
        logic.GetColorLogic().AddDefaultColorNodes()
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        _add_generic_colours(scene)
        slicer.modules = SimpleNamespace()
        for name, class_name in MODULE_LOGICS.items():
            module_logic = getattr(slicer, class_name)()
            module_logic.SetMRMLApplicationLogic(logic)
            module_logic.SetMRMLScene(scene)
            logic.SetModuleLogic(name, module_logic)
            setattr(slicer.modules, name.lower(), HeadlessModule(module_logic))
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, _remove_hierarchy_item)
        slicer.app = HeadlessApplication(logic, temporary_folder)
        slicer.app.lay_out_views()
    _started = True


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Without VTK's messages: the wheel lacks files whose absence it reports at length."""
    before = vtk.vtkLogger.GetCurrentVerbosityCutoff()
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtk.vtkLogger.SetStderrVerbosity(before)


@vtk.calldata_type(vtk.VTK_OBJECT)
def _remove_hierarchy_item(scene: Any, _event: str, node: Any) -> None:
    """A node that leaves the scene leaves the subject hierarchy, as the application's plugin logic sees to."""
    if scene.IsClosing() or node.IsA("vtkMRMLSubjectHierarchyNode"):
        return
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = tree.GetItemByDataNode(node)
    if item:
        tree.RemoveItem(item, False, False)


def is_headless_application() -> bool:
    """Whether slicer-core runs without Slicer's application."""
    return _started


def _add_generic_colours(scene: Any) -> None:
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToRandom()
    table.SetName("GenericColors")
    table.SetSingletonTag(GENERIC_COLOURS_TAG)
    table.SaveWithSceneOff()
    scene.AddNode(table)
