"""One slice view without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
import vtk

from DosePredictionScene.layout import Point
from DosePredictionScene.offscreen.edge_letters import letter_actors
from DosePredictionScene.offscreen.render_window import offscreen_window, picture_of

#: Besides those that every slice view has.
DISPLAYABLE_MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
VIEW_TAG_PREFIX = "DosePredictionPicture"


@dataclass(frozen=True)
class SliceShot:
    """What to draw.

    Attributes:
        orientation: "Axial", "Coronal" or "Sagittal".
        centre_ras: middle of the picture, world RAS mm.
        field_of_view_mm: width of the picture.
        legend_of: displayable nodes whose colour legend is shown; without it none is.
    """

    orientation: str
    centre_ras: Point
    field_of_view_mm: float
    legend_of: tuple[Any, ...] = ()


def slice_picture(shot: SliceShot, ct_node: Any, dose_node: Any, dose_opacity: float, pixels: int) -> np.ndarray:
    """Draw a slice through CT, dose, contours and isodoses with Slicer's displayable managers, and edge letters.

    The views of the scene stay as they are: the picture has its own, which is gone when it is done.

    Returns:
        (pixels, pixels, 3) uint8.
    """
    window = offscreen_window(pixels, pixels, layers=2)
    renderer = vtk.vtkRenderer()
    renderer.GetActiveCamera().ParallelProjectionOn()
    window.AddRenderer(renderer)
    interactor = vtk.vtkRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    interactor.Initialize()
    try:
        with _slice_logic(shot.orientation) as logic, _legends_only_of(shot.legend_of):
            managers = slicer.vtkMRMLDisplayableManagerGroup()
            managers.SetRenderer(renderer)
            managers.Initialize(_factory(), renderer)
            managers.SetMRMLDisplayableNode(logic.GetSliceNode())
            _aim(logic, shot, pixels)
            _show_layers(logic.GetSliceCompositeNode(), ct_node, dose_node, dose_opacity)
            _show_voxels(renderer, logic)
            to_ras = slicer.util.arrayFromVTKMatrix(logic.GetSliceNode().GetSliceToRAS())
            for actor in letter_actors(to_ras, pixels):
                renderer.AddViewProp(actor)
            window.Render()
            picture = picture_of(window)
            managers.SetMRMLDisplayableNode(None)
    finally:
        window.Finalize()
    return picture


@contextmanager
def _slice_logic(orientation: str) -> Iterator[Any]:
    """A slice view's logic with its nodes, which leave the scene again."""
    scene, application = slicer.mrmlScene, slicer.app.applicationLogic()
    before = _node_ids(scene)
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    logic.AddSliceNode(f"{VIEW_TAG_PREFIX}{orientation}")
    application.GetSliceLogics().AddItem(logic)
    try:
        yield logic
    finally:
        application.GetSliceLogics().RemoveItem(logic)
        logic.SetMRMLScene(None)
        for node_id in _node_ids(scene) - before:
            scene.RemoveNode(scene.GetNodeByID(node_id))


def _node_ids(scene: Any) -> set[str]:
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


@contextmanager
def _legends_only_of(nodes: tuple[Any, ...]) -> Iterator[None]:
    """With the colour legends of all other nodes hidden."""
    wanted = {node.GetID() for node in nodes}
    hidden = [
        legend
        for legend in slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
        if legend.GetVisibility() and legend.GetDisplayableNode().GetID() not in wanted
    ]
    for legend in hidden:
        legend.SetVisibility(False)
    try:
        yield
    finally:
        for legend in hidden:
            legend.SetVisibility(True)


def _factory() -> Any:
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    for manager in DISPLAYABLE_MANAGERS:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    return factory


def _aim(logic: Any, shot: SliceShot, pixels: int) -> None:
    node = logic.GetSliceNode()
    node.SetOrientation(shot.orientation)
    logic.ResizeSliceNode(pixels, pixels)
    node.SetFieldOfView(shot.field_of_view_mm, shot.field_of_view_mm, node.GetFieldOfView()[2])
    node.JumpSliceByCentering(*shot.centre_ras)
    node.UpdateMatrices()


def _show_layers(composite: Any, ct_node: Any, dose_node: Any, dose_opacity: float) -> None:
    composite.SetBackgroundVolumeID(ct_node.GetID())
    composite.SetForegroundVolumeID(dose_node.GetID())
    composite.SetForegroundOpacity(dose_opacity)
    # A view that is younger than a legend takes notice of it when a user changes the view's layers.
    composite.SetInteractionFlags(composite.ForegroundVolumeFlag)
    composite.Modified()


def _show_voxels(renderer: Any, logic: Any) -> None:
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    renderer.AddViewProp(actor)
