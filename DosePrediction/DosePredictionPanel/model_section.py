"""Model: system, weights and their model card, device, samples, steps, seed, calibration of the dose."""

from __future__ import annotations

from pathlib import Path

import ctk
import qt
from DosePredictionScene.prediction_request import ModelChoice
from slicer.i18n import tr as _

from DosePredictionLib.conditioning.channels import OAR_CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.model_card import model_card
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.resources import resource_path, resource_root
from DosePredictionPanel.bindings import Bindings
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.section import Section, fill_choices

MODELS, CALIBRATION = "Models", "adc-"


def shipped_systems() -> list[str]:
    """The systems whose weights came with the module."""
    names = sorted(path.stem for path in (resource_root() / MODELS).glob("*.safetensors"))
    return [name for name in names if not name.startswith(CALIBRATION)]


def calibration_path(system: str) -> Path:
    """Where the Adaptive Dose Calibration of a system's shipped weights lies, if there is one."""
    return resource_root() / MODELS / f"{CALIBRATION}{system}.safetensors"


class ModelSection(Section):
    """What predicts, and where.

    Attributes:
        problem: what is wrong with the weights; empty when nothing is.
        organs: TG-263 names of those that the chosen weights look for.
    """

    def __init__(self) -> None:
        super().__init__("Model")
        ui = self.ui
        self.problem = ""
        self.organs: tuple[str, ...] = ()
        self._card_of: Path | None = None
        fill_choices(ui.systemSelector, {name: name for name in shipped_systems() or ["default"]})
        fill_choices(ui.deviceSelector, {"auto": _("Automatic"), "cpu": _("Processor (CPU)")})
        ui.weightsPathEdit.filters = ctk.ctkPathLineEdit.Files
        self._bindings = Bindings()
        self._bindings.choice(ui.systemSelector, "system")
        self._bindings.path(ui.weightsPathEdit, "weights_path")
        self._bindings.choice(ui.deviceSelector, "device")
        for box, name in ((ui.samplesSpinBox, "samples"), (ui.stepsSpinBox, "steps"), (ui.seedSpinBox, "seed")):
            self._bindings.spin_box(box, name)
        self._bindings.check_box(ui.calibrateCheckBox, "calibrate")

    def offer_devices(self, choices: dict[str, str], parameters: Parameters) -> None:
        """Offer the devices that were found; one chosen on another computer stays to be chosen."""
        box = self.ui.deviceSelector
        box.blockSignals(True)
        box.clear()
        fill_choices(box, choices)
        if parameters.device not in choices:
            box.addItem(_("{device} (not found here)").format(device=parameters.device), parameters.device)
        box.blockSignals(False)
        self._bindings.show(parameters)

    def show(self, parameters: Parameters) -> None:
        """Show the choices, and the model card of the chosen weights."""
        self._bindings.show(parameters)
        self.ui.calibrateCheckBox.visible = self._can_calibrate(parameters)
        path = self._weights(parameters)
        if path != self._card_of or path is None or self.problem:  # a share may be there again
            self._card_of = path
            self._show_card(path, parameters)

    def choice(self, parameters: Parameters) -> ModelChoice:
        """The model to predict with."""
        weights = Path(parameters.weights_path) if parameters.weights_path else None
        calibrate = parameters.calibrate and self._can_calibrate(parameters)
        return ModelChoice(parameters.system, weights, parameters.device, calibrate)

    def _can_calibrate(self, parameters: Parameters) -> bool:
        """Whether a calibration ships for the chosen weights; one belongs to the weights it was trained with."""
        return not parameters.weights_path and calibration_path(parameters.system).is_file()

    def _weights(self, parameters: Parameters) -> Path | None:
        try:
            return Path(parameters.weights_path or resource_path(MODELS, f"{parameters.system}.safetensors"))
        except InputError:
            return None

    def _show_card(self, path: Path | None, parameters: Parameters) -> None:
        self.problem, self.organs = "", ()
        try:
            if path is None:
                raise InputError(_("The module came without weights; choose a weights file."))
            header = read_weights_header(path)
        except InputError as error:
            self.problem = str(error)
            self.ui.modelCard.setPlainText(self.problem)
            return
        channels = header.config.get("channels")
        self.organs = tuple(organ for organ in OAR_CHANNELS if organ in channels) if isinstance(channels, list) else ()
        document = qt.QTextDocument()
        document.setMarkdown(model_card(header))
        self.ui.modelCard.setHtml(document.toHtml())
        for box, name in ((self.ui.samplesSpinBox, "samples"), (self.ui.stepsSpinBox, "steps")):
            recommended = header.recommended.get(name)
            box.specialValueText = (
                _("as recommended") if recommended is None else _("as recommended ({n})").format(n=recommended)
            )
