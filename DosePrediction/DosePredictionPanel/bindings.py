"""Widgets and settings kept alike: a user's change goes to the parameter node, a change there to the widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from DosePredictionPanel.parameters import Parameters


@dataclass(frozen=True)
class Binding:
    """A setting's name, and how to read its widget and to write it."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]


class Bindings:
    """The widgets of a section that show settings."""

    def __init__(self) -> None:
        self._bindings: list[Binding] = []
        self._parameters: Parameters | None = None
        self._showing = False

    def spin_box(self, widget: Any, name: str) -> None:
        """Bind a QSpinBox or a ctkSliderWidget."""
        signal = "valueChanged(double)" if widget.className() == "ctkSliderWidget" else "valueChanged(int)"
        self._bind(widget, signal, Binding(name, lambda: widget.value, lambda v: setattr(widget, "value", v)))

    def check_box(self, widget: Any, name: str) -> None:
        """Bind a QCheckBox."""
        self._bind(
            widget, "toggled(bool)", Binding(name, lambda: widget.checked, lambda v: setattr(widget, "checked", v))
        )

    def choice(self, widget: Any, name: str) -> None:
        """Bind a QComboBox whose items have their setting as data."""

        def write(value: Any) -> None:
            widget.setCurrentIndex(max(widget.findData(value), 0))

        def read() -> str:
            return str(widget.itemData(widget.currentIndex) or "")

        self._bind(widget, "currentIndexChanged(int)", Binding(name, read, write))

    def line(self, widget: Any, name: str) -> None:
        """Bind a QLineEdit; it counts when editing is finished, and until then nothing is written over it."""

        def write(value: str) -> None:
            if not (widget.focus and widget.modified):
                widget.text = value

        def finished(*_: Any) -> None:
            widget.modified = False

        self._bind(widget, "editingFinished()", Binding(name, lambda: widget.text.strip(), write))
        widget.connect("editingFinished()", finished)

    def path(self, widget: Any, name: str) -> None:
        """Bind a ctkPathLineEdit: by its editor, as itself it says nothing of a path that is cleared or unfinished."""

        def write(value: str) -> None:
            if widget.currentPath != value:  # it would move the cursor
                widget.currentPath = value

        editor = widget.comboBox().lineEdit()
        self._bind(editor, "textChanged(QString)", Binding(name, lambda: widget.currentPath.strip(), write))

    def show(self, parameters: Parameters) -> None:
        """Show all settings."""
        self._parameters, self._showing = parameters, True
        try:
            for binding in self._bindings:
                value = getattr(parameters, binding.name)
                if binding.read() != value:
                    binding.write(value)
        finally:
            self._showing = False

    def _bind(self, widget: Any, signal: str, binding: Binding) -> None:
        def store(*_: Any) -> None:
            if not self._showing and self._parameters is not None:
                setattr(self._parameters, binding.name, binding.read())

        self._bindings.append(binding)
        widget.connect(signal, store)
