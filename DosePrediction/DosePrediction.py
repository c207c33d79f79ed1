"""The Slicer module: predicts a dose from a CT and its structures, and shows it.

Research use, not for clinical decisions. These are the four classes that Slicer looks for. They delegate: the scene is
DosePredictionScene's, the panel DosePredictionPanel's, the prediction DosePredictionLib's.
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

if TYPE_CHECKING:
    from DosePredictionScene.prediction_run import PredictionRun, Shown

#: What the module imports of its own.
PACKAGES = ("DosePredictionPanel", "DosePredictionScene", "DosePredictionLib")
#: Slicer 5.10's; earlier ones bring Python 3.9.
OLDEST_PYTHON = (3, 10)

# Unbuilt, only this folder is on Python's path; the library lies beside it in the repository.
if importlib.util.find_spec("DosePredictionLib") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))


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
        if hasattr(slicer, "app"):  # when all modules are there, Sample Data among them
            slicer.app.connect("startupCompleted()", self.registerSampleData)

    def registerSampleData(self) -> None:
        """List the sample patient in the Sample Data module."""
        if sys.version_info < OLDEST_PYTHON:
            return
        from DosePredictionPanel.sample_patient import register_sample

        register_sample(self.resourcePath("Icons/DosePrediction.png"))


class DosePredictionWidget(ScriptedLoadableModuleWidget):
    """The panel; see DosePredictionPanel."""

    def __init__(self, parent: Any = None) -> None:
        self.logic: DosePredictionLogic | None = None
        self.panel: Any = None
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel. Needs no torch, no main window and no data."""
        ScriptedLoadableModuleWidget.setup(self)
        if sys.version_info < OLDEST_PYTHON:
            self._say_what_is_needed()
            return
        from DosePredictionPanel.panel import Panel

        self.logic = DosePredictionLogic()
        self.panel = Panel(self.layout, self.logic)
        if getattr(self.parent, "isEntered", False):  # reloaded while it is shown: nobody else says so
            self.panel.enter()

    def _say_what_is_needed(self) -> None:
        import qt

        needed = qt.QLabel(_("Dose Prediction needs Slicer 5.10 or later."))
        needed.wordWrap = True
        self.layout.addWidget(needed)

    def enter(self) -> None:
        """The user comes to the module."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """The user goes to another module."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """End the prediction process when the module is unloaded."""
        if self.panel is not None:
            self.panel.cleanup()

    def onReload(self) -> None:
        """Developer mode's Reload: of every file, where Slicer reloads this one only; of none if one is broken."""
        if broken := broken_file():
            slicer.util.errorDisplay(_("Nothing was reloaded: {error}.").format(error=broken))
            return
        self.cleanup()  # while what it needs is still that of the same files
        for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


def broken_file() -> str:
    """What is wrong with the first file of the module that Python does not understand, and where; empty if none is."""
    folders = [Path(folder) for name in PACKAGES if name in sys.modules for folder in sys.modules[name].__path__]
    for path in [Path(__file__), *(path for folder in folders for path in sorted(folder.rglob("*.py")))]:
        try:
            compile(path.read_bytes(), str(path), "exec")
        except (SyntaxError, ValueError) as error:
            return f"{path}: {error}"
    return ""


class DosePredictionLogic(ScriptedLoadableModuleLogic):
    """Predictions on nodes of the scene, for the panel and for scripts.

    ``DosePredictionLogic().predict(Request(ctNode, segmentationNode))`` waits; `start` and `poll` don't. See
    DosePredictionScene's PredictionRun and Request.

    Args:
        run: what predicts and shows; tests replace it.
    """

    def __init__(self, run: PredictionRun | None = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        if run is None:
            from DosePredictionScene.prediction_run import PredictionRun

            run = PredictionRun()
        self._run = run
        self.start, self.poll, self.predict = run.start, run.poll, run.predict
        self.cancel, self.close, self.forget = run.cancel, run.close, run.forget
        self.use_model, self.use_goals = run.use_model, run.use_goals

    @property
    def busy(self) -> bool:
        """Whether a prediction is under way."""
        return self._run.busy

    @property
    def shown(self) -> Shown | None:
        """What the last prediction left in the scene."""
        return self._run.shown

    @property
    def log(self) -> str:
        """What the prediction process wrote for people."""
        return self._run.log


class DosePredictionTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test, or ctest): nodes to patient, and a dose shown in the scene. Needs no torch."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear(False)

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_a_dose_is_shown_on_its_ct()
        self.setUp()
        self.test_the_sample_patient_is_loaded_and_shown()

    def test_the_sample_patient_is_loaded_and_shown(self) -> None:
        """The bundled patient's structures and doses are those of its files, as nodes and in the tables."""
        from DosePredictionScene.self_test import check_sample_patient

        check_sample_patient()
        self.delayDisplay("Test passed")

    def test_a_dose_is_shown_on_its_ct(self) -> None:
        """A dose on a phantom becomes a dose volume as SlicerRT reads it, with DVH and goals."""
        from DosePredictionScene.self_test import check_scene

        check_scene()
        self.delayDisplay("Test passed")
