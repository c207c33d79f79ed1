"""A number to type: ctkDoubleSpinBox."""

from __future__ import annotations

from typing import Any

from PySide6 import QtWidgets

from standin.ctk_widgets.parts import of_part, put_in_a_row
from standin.pythonqt.described import Stored, stand_in


@stand_in(silent="decimalsChanged(int)")
class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box; not a QDoubleSpinBox, it holds one."""

    FixedDecimals, DecimalsByValue, DecimalsByKey, DecimalsByShortcuts = 0, 1, 2, 4
    SetIfDifferent, SetAlways = 0, 1
    SizeHintByMinMax, SizeHintByValue = 0, 1
    decimalsOption = Stored(0)
    setMode = Stored(0)
    sizeHintPolicy = Stored(0)
    invertedControls = Stored(False)
    decimals = of_part("_spin_box", "decimals")
    maximum = of_part("_spin_box", "maximum")
    minimum = of_part("_spin_box", "minimum")
    prefix = of_part("_spin_box", "prefix")
    suffix = of_part("_spin_box", "suffix")
    singleStep = of_part("_spin_box", "singleStep")
    value = of_part("_spin_box", "value")
    readOnly = of_part("_spin_box", "readOnly")
    frame = of_part("_spin_box", "frame")
    alignment = of_part("_spin_box", "alignment")
    cleanText = property(lambda self: self._spin_box.cleanText)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._spin_box = QtWidgets.QDoubleSpinBox(self)
        put_in_a_row(self, self._spin_box)
        self.setFocusProxy(self._spin_box)
        self._spin_box.connect("valueChanged(double)", self._on_value_changed)
        self._spin_box.connect("editingFinished()", self.editingFinished.emit)

    def _on_value_changed(self, value: float) -> None:
        self.valueChanged.emit_as("valueChanged(double)", value)
        self.valueChanged.emit_as("valueChanged(QString)", self._spin_box.text)

    def setValue(self, value: float) -> None:
        self._spin_box.setValue(value)

    setValueIfDifferent = setValue

    def setDecimals(self, decimals: int) -> None:
        self._spin_box.setDecimals(decimals)

    def setReadOnly(self, read_only: bool) -> None:
        self._spin_box.setReadOnly(read_only)

    def stepUp(self) -> None:
        self._spin_box.stepUp()

    def stepDown(self) -> None:
        self._spin_box.stepDown()
