"""Inputs: CT, structures, clinical dose, and the sample patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.section import Section

CHOSEN = {"ctSelector": "ct", "segmentationSelector": "segmentation", "clinicalDoseSelector": "clinical_dose"}


class InputsSection(Section):
    """What to predict from.

    Args:
        load_sample: called for the sample patient.
    """

    def __init__(self, load_sample: Callable[[], None]) -> None:
        super().__init__("Inputs")
        self._parameters: Parameters | None = None
        self._showing = False
        for selector, name in CHOSEN.items():
            self._connect(getattr(self.ui, selector), name)
        self.ui.sampleDataButton.connect("clicked(bool)", lambda *_: load_sample())

    def set_scene(self, scene: Any) -> None:
        """Choose from this scene, or from none."""
        self._showing = True
        for selector in CHOSEN:
            getattr(self.ui, selector).setMRMLScene(scene)
        self._showing = False

    def show(self, parameters: Parameters) -> None:
        """Show the chosen nodes; where a CT or structures aren't chosen, and there is only one, choose it."""
        self._parameters = parameters
        self._showing = True
        for selector, name in CHOSEN.items():
            node = getattr(parameters, name)
            if getattr(self.ui, selector).currentNode() is not node:
                getattr(self.ui, selector).setCurrentNode(node)
        self._showing = False

    def choose_only_ones(self) -> None:
        """Choose the CT and the structures where the scene has but one."""
        if self._parameters is None:
            return
        segmentations = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
        volumes = [
            node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetAttribute("DicomRtImport.DoseVolume")
        ]  # fmt: skip
        if self._parameters.ct is None and len(volumes) == 1:
            self._parameters.ct = volumes[0]
        if self._parameters.segmentation is None and len(segmentations) == 1:
            self._parameters.segmentation = segmentations[0]

    def _connect(self, selector: Any, name: str) -> None:
        def store(*_: Any) -> None:
            if not self._showing and self._parameters is not None:
                setattr(self._parameters, name, selector.currentNode())

        # What the user chose, not what the selector comes to show: when a node goes, that is its neighbour.
        selector.connect("nodeActivated(vtkMRMLNode*)", store)
