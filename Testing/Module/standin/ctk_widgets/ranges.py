"""Two numbers on a scale: ctkDoubleRangeSlider, ctkRangeWidget."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from standin.ctk_widgets.parts import of_part, put_in_a_row
from standin.pythonqt.described import Stored, stand_in

Qt = QtCore.Qt
HANDLE_WIDTH = 10


@stand_in(silent="sliderPressed() sliderReleased()")
class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A slider of two handles. Mouse: the nearer handle follows."""

    symmetricMoves = Stored(False)
    tickInterval = Stored(0.0)
    tickPosition = Stored(0)
    tracking = Stored(True)
    singleStep = Stored(1.0)
    orientation = Stored(Qt.Orientation.Horizontal)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)))
        self._range, self._values, self._dragged = (0.0, 99.0), (0.0, 99.0), 0
        self.setMinimumSize(80, 20)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)

    minimum = property(lambda self: self._range[0], lambda self, v: self.setRange(v, max(v, self._range[1])))
    maximum = property(lambda self: self._range[1], lambda self, v: self.setRange(min(v, self._range[0]), v))
    minimumValue = property(lambda self: self._values[0], lambda self, v: self.setMinimumValue(v))
    maximumValue = property(lambda self: self._values[1], lambda self, v: self.setMaximumValue(v))
    minimumPosition = property(lambda self: self._values[0], lambda self, v: self.setMinimumValue(v))
    maximumPosition = property(lambda self: self._values[1], lambda self, v: self.setMaximumValue(v))

    def setRange(self, minimum: float, maximum: float) -> None:
        changed = (minimum, maximum) != self._range
        self._range = (minimum, maximum)
        if changed:
            self.rangeChanged.emit(minimum, maximum)
        self.setValues(*self._values)

    def setMinimumValue(self, value: float) -> None:
        self.setValues(min(value, self._values[1]), self._values[1])

    def setMaximumValue(self, value: float) -> None:
        self.setValues(self._values[0], max(value, self._values[0]))

    def setValues(self, low: float, high: float) -> None:
        before = self._values
        bottom, top = self._range
        self._values = (min(max(min(low, high), bottom), top), min(max(low, high, bottom), top))
        if self._values == before:
            return
        self.update()
        for index, name in enumerate(("minimum", "maximum")):
            if self._values[index] != before[index]:
                getattr(self, f"{name}PositionChanged").emit(self._values[index])
                getattr(self, f"{name}ValueChanged").emit(self._values[index])
        self.positionsChanged.emit(*self._values)
        self.valuesChanged.emit(*self._values)

    def _x(self, value: float) -> float:
        bottom, top = self._range
        return HANDLE_WIDTH + (self.width - 2 * HANDLE_WIDTH) * (value - bottom) / ((top - bottom) or 1.0)

    def mousePressEvent(self, event: Any) -> None:
        distances = [abs(self._x(value) - event.position().x()) for value in self._values]
        self._dragged = distances.index(min(distances))
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: Any) -> None:
        bottom, top = self._range
        share = (event.position().x() - HANDLE_WIDTH) / max(1, self.width - 2 * HANDLE_WIDTH)
        value = bottom + min(max(share, 0.0), 1.0) * (top - bottom)
        (self.setMaximumValue if self._dragged else self.setMinimumValue)(value)

    def paintEvent(self, event: Any) -> None:
        painter, middle = QtGui.QPainter(self), self.height // 2
        colours = self.palette
        painter.fillRect(HANDLE_WIDTH, middle - 2, self.width - 2 * HANDLE_WIDTH, 4, colours.mid())
        low, high = (round(self._x(value)) for value in self._values)
        painter.fillRect(low, middle - 2, high - low, 4, colours.highlight())
        for x in (low, high):
            painter.fillRect(x - HANDLE_WIDTH // 2, middle - 8, HANDLE_WIDTH, 16, colours.button())
            painter.drawRect(x - HANDLE_WIDTH // 2, middle - 8, HANDLE_WIDTH, 16)
        painter.end()


@stand_in()
class ctkRangeWidget(QtWidgets.QWidget):
    """Two spin boxes with a slider of two handles between them."""

    autoSpinBoxWidth = Stored(True)
    customSpinBoxesLimitsMax = Stored(0.0)
    customSpinBoxesLimitsMin = Stored(0.0)
    spinBoxAlignment = Stored(Qt.AlignmentFlag.AlignVCenter)
    spinBoxTextAlignment = Stored(Qt.AlignmentFlag.AlignLeft)
    tickInterval = Stored(0.0)
    tracking = Stored(True)
    symmetricMoves = of_part("_slider", "symmetricMoves")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._low, self._high = QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self)
        self._slider = ctkDoubleRangeSlider(self)
        put_in_a_row(self, self._low, self._slider, self._high)
        self._low.connect("valueChanged(double)", self._slider.setMinimumValue)
        self._high.connect("valueChanged(double)", self._slider.setMaximumValue)
        self._slider.connect("minimumValueChanged(double)", self._on_minimum)
        self._slider.connect("maximumValueChanged(double)", self._on_maximum)
        self._slider.connect("valuesChanged(double,double)", self.valuesChanged.emit)
        self._slider.connect("rangeChanged(double,double)", self.rangeChanged.emit)

    minimum = property(lambda self: self._slider.minimum, lambda self, v: self.setRange(v, max(v, self.maximum)))
    maximum = property(lambda self: self._slider.maximum, lambda self, v: self.setRange(min(v, self.minimum), v))
    minimumValue = property(lambda self: self._slider.minimumValue, lambda self, v: self.setMinimumValue(v))
    maximumValue = property(lambda self: self._slider.maximumValue, lambda self, v: self.setMaximumValue(v))
    singleStep = property(lambda self: self._low.singleStep, lambda self, v: self._of_both("singleStep", v))
    decimals = property(lambda self: self._low.decimals, lambda self, v: self._of_both("decimals", v))
    prefix = property(lambda self: self._low.prefix, lambda self, v: self._of_both("prefix", v))
    suffix = property(lambda self: self._low.suffix, lambda self, v: self._of_both("suffix", v))

    def setRange(self, minimum: float, maximum: float) -> None:
        for box in (self._low, self._high):
            box.blockSignals(True)
            box.setRange(minimum, maximum)
            box.blockSignals(False)
        self._slider.setRange(minimum, maximum)

    def setMinimumValue(self, value: float) -> None:
        self._slider.setMinimumValue(value)

    def setMaximumValue(self, value: float) -> None:
        self._slider.setMaximumValue(value)

    def setValues(self, low: float, high: float) -> None:
        self._slider.setValues(low, high)

    def setDecimals(self, decimals: int) -> None:
        self._of_both("decimals", decimals)

    def reset(self) -> None:
        self.setValues(self.minimum, self.maximum)

    def _of_both(self, name: str, value: Any) -> None:
        for box in (self._low, self._high):
            setattr(box, name, value)

    def _on_minimum(self, value: float) -> None:
        self._low.setValue(value)
        self.minimumValueIsChanging.emit(value)
        self.minimumValueChanged.emit(value)

    def _on_maximum(self, value: float) -> None:
        self._high.setValue(value)
        self.maximumValueIsChanging.emit(value)
        self.maximumValueChanged.emit(value)
