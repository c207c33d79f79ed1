"""Widgets that are given the scene: qMRMLWidget, qSlicerWidget, and CTK's widgets with a scene."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from standin.ctk_widgets.collapsible import ctkCollapsibleButton
from standin.ctk_widgets.sliders import ctkSliderWidget
from standin.ctk_widgets.spin_box import ctkDoubleSpinBox
from standin.pythonqt.described import Stored, stand_in


class WithScene:
    """Keeps the scene, and says when there is another."""

    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        """Set the scene."""
        if scene is not self._scene:
            self._scene = scene
            self._on_scene()
            signal = getattr(self, "mrmlSceneChanged", None)
            if signal is not None:
                signal.emit(scene)

    def _on_scene(self) -> None:
        """There is another scene."""


class WithSceneToAsk(WithScene):
    """Python can ask for the scene too; not of all widgets."""

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene


@stand_in()
class qMRMLWidget(WithSceneToAsk, QtWidgets.QWidget):
    """A widget with a scene; it hands it to its children by signal."""


@stand_in()
class qSlicerWidget(WithScene, QtWidgets.QWidget):
    """A widget with a scene."""


@stand_in()
class qMRMLCollapsibleButton(WithScene, ctkCollapsibleButton):
    """A section that folds, with a scene."""


@stand_in()
class qMRMLSliderWidget(WithSceneToAsk, ctkSliderWidget):
    """A slider of a quantity. The stand-in converts no units."""

    MinimumValue, MaximumValue, Prefix, Suffix, Precision, Scaling = 1, 2, 4, 8, 16, 32
    quantity = Stored("")
    unitAwareProperties = Stored(0)
    orientation = Stored(1)

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity


@stand_in()
class qMRMLSpinBox(WithSceneToAsk, ctkDoubleSpinBox):
    """A number of a quantity. The stand-in converts no units."""

    MinimumValue, MaximumValue, Prefix, Suffix, Precision, Scaling = 1, 2, 4, 8, 16, 32
    quantity = Stored("")
    unitAwareProperties = Stored(0)

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity
