"""A number on a scale: ctkDoubleSlider, ctkSliderWidget."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from standin.ctk_widgets.parts import of_part, put_in_a_row
from standin.pythonqt.described import Stored, stand_in

Qt = QtCore.Qt


class _Scale(QtWidgets.QSlider):
    """A slider of floats: integer steps of a step."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._minimum, self._step = 0.0, 1.0

    def _set_scale(self, minimum: float, maximum: float, step: float) -> None:
        self._minimum, self._step = minimum, step
        self.setRange(0, max(0, round((maximum - minimum) / step)))

    def _place(self, value: float) -> None:
        self.blockSignals(True)
        self.setValue(round((value - self._minimum) / self._step))
        self.blockSignals(False)

    def _number(self) -> float:
        return self._minimum + self.value * self._step


@stand_in(silent="rangeChanged(double,double)")
class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider of floats."""

    handleToolTip = Stored("")
    invertedAppearance = Stored(False)
    invertedControls = Stored(False)
    pageStep = Stored(10.0)
    tickInterval = Stored(0.0)
    tickPosition = Stored(0)
    tracking = Stored(True)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*(argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)))
        self._minimum, self._maximum, self._step, self._value = 0.0, 100.0, 1.0, 0.0
        self._slider = _Scale(self)
        put_in_a_row(self, self._slider)
        for argument in arguments:
            if isinstance(argument, Qt.Orientation):
                self._slider.orientation = argument
        self._slider.connect("valueChanged(int)", self._on_slid)
        self._slider.connect("sliderPressed()", self.sliderPressed.emit)
        self._slider.connect("sliderReleased()", self._on_released)
        self._rescale()

    minimum = property(lambda self: self._minimum, lambda self, v: self._rescale(minimum=v))
    maximum = property(lambda self: self._maximum, lambda self, v: self._rescale(maximum=v))
    singleStep = property(lambda self: self._step, lambda self, v: self._rescale(step=v))
    value = property(lambda self: self._value, lambda self, v: self.setValue(v))
    sliderPosition = property(lambda self: self._slider._number(), lambda self, v: self.setValue(v))
    orientation = of_part("_slider", "orientation")

    def setOrientation(self, orientation: int) -> None:
        self._slider.orientation = orientation

    def setValue(self, value: float) -> None:
        value = min(max(value, self._minimum), self._maximum)
        self._slider._place(value)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    def _rescale(self, **changed: float) -> None:
        for name, value in changed.items():
            setattr(self, f"_{name}", value)
        self._slider._set_scale(self._minimum, self._maximum, self._step)
        self.setValue(self._value)

    def _on_slid(self) -> None:
        self.sliderMoved.emit(self._slider._number())
        if self.tracking or not self._slider.sliderDown:
            self._take()

    def _on_released(self) -> None:
        self._take()
        self.sliderReleased.emit()

    def _take(self) -> None:
        value = min(self._slider._number(), self._maximum)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)


@stand_in(silent="decimalsChanged(int)")
class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box of one value."""

    NoSynchronize, SynchronizeWidth, SynchronizeDecimals = 0, 1, 2
    invertedAppearance = Stored(False)
    invertedControls = Stored(False)
    popupSlider = Stored(False)
    spinBoxAlignment = Stored(Qt.AlignmentFlag.AlignVCenter)
    synchronizeSiblings = Stored(3)
    tickInterval = Stored(0.0)
    tickPosition = Stored(0)
    tracking = Stored(True)
    pageStep = of_part("_slider", "pageStep")
    prefix = of_part("_spin_box", "prefix")
    suffix = of_part("_spin_box", "suffix")
    decimals = of_part("_spin_box", "decimals")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = ctkDoubleSlider(self)
        self._spin_box = QtWidgets.QDoubleSpinBox(self)
        self._spin_box.maximum = 100.0
        put_in_a_row(self, self._slider, self._spin_box)
        self.layout().setStretch(0, 1)
        self._before: float | None = None
        self._spin_box.connect("valueChanged(double)", self._on_spun)
        self._slider.connect("valueChanged(double)", self._on_slid)
        self._slider.connect("sliderPressed()", self._on_pressed)
        self._slider.connect("sliderReleased()", self._on_released)

    minimum = property(lambda self: self._spin_box.minimum, lambda self, v: self._set("minimum", v))
    maximum = property(lambda self: self._spin_box.maximum, lambda self, v: self._set("maximum", v))
    singleStep = property(lambda self: self._spin_box.singleStep, lambda self, v: self._set("singleStep", v))
    spinBoxVisible = property(
        lambda self: self._spin_box.isVisibleTo(self), lambda self, v: self._spin_box.setVisible(v)
    )

    @property
    def value(self) -> float:
        return float(self._spin_box.value) if self._before is None else self._before

    @value.setter
    def value(self, value: float) -> None:
        self.setValue(value)

    def setValue(self, value: float) -> None:
        before, self._before = self._before, None
        self._spin_box.setValue(value)
        self._before = before

    def reset(self) -> None:
        self.setValue(0.0)

    def setDecimals(self, decimals: int) -> None:
        self._spin_box.setDecimals(decimals)

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._spin_box.setVisible(visible)

    def _set(self, name: str, value: float) -> None:
        setattr(self._spin_box, name, value)
        setattr(self._slider, name, value)

    def _on_slid(self, value: float) -> None:
        self._spin_box.setValue(value)

    def _on_spun(self, value: float) -> None:
        self._slider.blockSignals(True)
        self._slider.setValue(value)
        self._slider.blockSignals(False)
        if not self.tracking:
            self.valueIsChanging.emit(value)
        if self._before is None:
            self.valueChanged.emit(value)

    def _on_pressed(self) -> None:
        if not self.tracking:
            self._before = self.value

    def _on_released(self) -> None:
        before, self._before = self._before, None
        if before is not None and before != self.value:
            self.valueChanged.emit(self.value)
