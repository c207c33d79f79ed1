"""The Slicer module: predicts a dose from a CT and its structures, and shows it.

Research use, not for clinical decisions. These are the four classes that Slicer looks for. They delegate: the scene is
DosePredictionScene's, the prediction DosePredictionLib's.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if TYPE_CHECKING:
    from DosePredictionScene.prediction_run import PredictionRun

    from DosePredictionLib.worker.events import Event

# Unbuilt, only this folder is on Python's path; the library lies beside it in the repository.
if importlib.util.find_spec("DosePredictionLib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))

POLL_INTERVAL_MS = 100


class DosePrediction(ScriptedLoadableModule):
    """What Slicer lists the module by."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Dose Prediction")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Radiotherapy")]
        # SlicerRT is not named here: without it the module still predicts and shows, and it must load.
        parent.dependencies = []
        parent.contributors = ["The SlicerDosePrediction contributors"]
        parent.helpText = _(
            "Predicts the radiotherapy dose of a patient from a CT and its contoured structures, and shows it with "
            "isodose lines, DVH and planning goals. Research use, not for clinical decisions."
        )
        parent.acknowledgementText = _(
            "Trained on OpenKBP (Babier et al., Medical Physics 48, 2021). Research use, not for clinical decisions."
        )


class DosePredictionWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: choose CT and structures, predict, follow its progress."""

    def __init__(self, parent: Any = None) -> None:
        self.logic: DosePredictionLogic | None = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel. Needs no torch, no main window and no data."""
        ScriptedLoadableModuleWidget.setup(self)
        import ctk
        import qt

        self.logic = DosePredictionLogic()
        section = ctk.ctkCollapsibleButton()
        section.text = _("Predict a dose")
        self.layout.addWidget(section)
        form = qt.QFormLayout(section)
        self.ctSelector = self._selector("vtkMRMLScalarVolumeNode", _("The planning CT, in HU."))
        form.addRow(_("CT:"), self.ctSelector)
        self.segmentationSelector = self._selector(
            "vtkMRMLSegmentationNode",
            _("Targets and organs. Targets say their dose in their name: PTV70, PTV_6300cGy."),
        )
        form.addRow(_("Structures:"), self.segmentationSelector)
        self.predictButton = qt.QPushButton(_("Predict dose"))
        form.addRow(self.predictButton)
        self.progressBar = qt.QProgressBar()
        self.progressBar.visible = False
        form.addRow(self.progressBar)
        self.statusLabel = qt.QLabel("")
        self.statusLabel.wordWrap = True
        form.addRow(self.statusLabel)
        notice = qt.QLabel("<b>" + _("Research use, not for clinical decisions.") + "</b>")
        notice.wordWrap = True
        self.layout.addWidget(notice)
        if not hasattr(slicer.modules, "dicomrtimportexport"):
            missing = qt.QLabel(_("SlicerRT is not installed: DICOM-RT files can't be loaded and saved."))
            missing.wordWrap = True
            self.layout.addWidget(missing)
        self.layout.addStretch(1)

        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_INTERVAL_MS)
        self.timer.connect("timeout()", self.onTimer)
        self.predictButton.connect("clicked(bool)", self.onPredictButton)
        for selector in (self.ctSelector, self.segmentationSelector):
            selector.connect("currentNodeChanged(vtkMRMLNode*)", self.updateButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.updateButton()

    def _selector(self, node_class: str, tool_tip: str) -> Any:
        selector = slicer.qMRMLNodeComboBox()
        selector.nodeTypes = [node_class]
        selector.addEnabled = False
        selector.removeEnabled = False
        selector.noneEnabled = True
        selector.showHidden = False
        selector.showChildNodeTypes = False
        selector.setMRMLScene(slicer.mrmlScene)
        selector.setToolTip(tool_tip)
        return selector

    def cleanup(self) -> None:
        """End the prediction process when the module is unloaded."""
        self.removeObservers()
        if self.logic is not None:
            self.timer.stop()
            self.logic.close()

    def onSceneStartClose(self, *_arguments: Any) -> None:
        """A prediction for a scene that goes away goes with it."""
        if self.logic is not None and self.logic.busy:
            self.logic.cancel()

    def updateButton(self, *_arguments: Any) -> None:
        """Predict when there is something to predict from; cancel while a prediction is under way."""
        busy = self.logic.busy
        chosen = bool(self.ctSelector.currentNode() and self.segmentationSelector.currentNode())
        self.predictButton.text = _("Cancel") if busy else _("Predict dose")
        self.predictButton.enabled = busy or chosen
        self.progressBar.visible = busy

    def onPredictButton(self, *_arguments: Any) -> None:
        """Begin a prediction, or cancel the one under way."""
        from DosePredictionLib.errors import InputError

        if self.logic.busy:
            self.logic.cancel()
            self.statusLabel.text = _("Cancelling...")
            return
        try:
            self.logic.begin(self.ctSelector.currentNode(), self.segmentationSelector.currentNode())
        except InputError as error:
            self.statusLabel.text = str(error)
            return
        self.progressBar.setRange(0, 0)  # the busy indicator until there are steps to count
        self.statusLabel.text = _("Starting the prediction process...")
        self.timer.start()
        self.updateButton()

    def onTimer(self) -> None:
        """Take in what the prediction process has said since the last time."""
        for event in self.logic.poll():
            self._tell(event)
        if not self.logic.busy:
            self.timer.stop()
            self.updateButton()

    def _tell(self, event: Event) -> None:
        from DosePredictionLib.worker.events import Advanced, Failed, Finished, Stopped, Told

        if isinstance(event, Advanced):
            progress = event.progress
            self.progressBar.setRange(0, progress.total)
            self.progressBar.setValue(progress.step)
            left = "" if progress.seconds_left is None else _(", {n:.0f} s left").format(n=progress.seconds_left)
            self.statusLabel.text = f"{progress.stage} {progress.step}/{progress.total}{left}"
        elif isinstance(event, Finished):
            self.statusLabel.text = _("Dose predicted in {n:.1f} s.").format(n=event.provenance.seconds["total"])
        elif isinstance(event, Stopped):
            self.statusLabel.text = _("Cancelled.")
        elif isinstance(event, Failed | Told):
            self.statusLabel.text = event.text


class DosePredictionLogic(ScriptedLoadableModuleLogic):
    """Predictions on nodes of the scene, for the panel and for scripts.

    ``DosePredictionLogic().predict(ctNode, segmentationNode)`` waits; `begin` and `poll` don't.

    Args:
        run: what predicts and shows; tests replace it.
    """

    def __init__(self, run: PredictionRun | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        if run is None:
            from DosePredictionScene.prediction_run import PredictionRun

            run = PredictionRun()
        self._run = run
        self.begin, self.poll, self.predict = run.begin, run.poll, run.predict
        self.cancel, self.close = run.cancel, run.close

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._run.busy


class DosePredictionTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test, or ctest): nodes to patient, and a dose shown in the scene. Needs no torch."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear(False)

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_a_dose_is_shown_on_its_ct()

    def test_a_dose_is_shown_on_its_ct(self) -> None:
        """A dose on a phantom becomes a dose volume as SlicerRT reads it, with DVH and goals."""
        from DosePredictionScene.self_test import check_scene

        check_scene()
        self.delayDisplay("Test passed")
