"""Loading of .ui files, with stand-ins for CTK's and Slicer's widgets."""

from __future__ import annotations

import inspect
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from standin.api_names import api_chain
from standin.pythonqt.described import stand_ins
from standin.pythonqt.properties import QtProperty
from standin.pythonqt.signals import connect

#: What a property's value in a .ui file is in Python.
VALUES: dict[str, Callable[[ElementTree.Element], Any]] = {
    "string": lambda element: element.text or "",
    "cstring": lambda element: element.text or "",
    "bool": lambda element: (element.text or "").strip() == "true",
    "number": lambda element: int(element.text or 0),
    "double": lambda element: float(element.text or 0),
    "stringlist": lambda element: [item.text or "" for item in element],
    "enum": lambda element: enum_value(element.text or ""),
    "set": lambda element: enum_value(element.text or ""),
}


def enum_value(text: str) -> int:
    """What an enumerator, or several with "|" between, stands for: "Qt::AlignLeft|Qt::AlignTop"."""
    value = 0
    for part in filter(None, text.split("|")):
        scope, _, name = part.strip().rpartition("::")
        owner = stand_ins.get(scope) or getattr(QtWidgets, scope, None) or getattr(QtCore, scope)
        value |= int(getattr(owner, name))
    return value


class QUiLoader(QtUiTools.QUiLoader):
    """Loads .ui files as Slicer does: an unknown class, property, signal or slot raises."""

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        """Called by Qt for each widget of the file."""
        cls = stand_ins.get(class_name) or getattr(QtWidgets, class_name, None)
        if cls is None:
            raise ValueError(f".ui: the stand-in has no {class_name}")
        widget = cls(parent) if parent is not None else cls()
        widget.setObjectName(name)
        self._made.append(widget)
        return widget

    def load(self, device: Any, parent: Any = None) -> Any:
        """The widget that a .ui file describes."""
        self._made: list[Any] = []
        root = ElementTree.fromstring(bytes(device.readAll().data()))
        device.close()
        properties = [entry for widget in root.iter("widget") for entry in self._take_properties(widget)]
        connections = self._take_connections(root)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        top = super().load(buffer, parent)
        if top is None:
            raise ValueError(f".ui: {self.errorString()}")
        named = {widget.objectName: widget for widget in (top, *top.findChildren(QtCore.QObject))}
        for widget_name, name, value in properties:
            setattr(named[widget_name], name, value)
        for sender, signal, receiver, slot in connections:
            connect(named[sender], signal, named[receiver], slot)
        top.__dict__["_made_from_ui"] = self._made  # keeps the Python side of the stand-ins
        return top

    def _take_properties(self, widget: ElementTree.Element) -> list[tuple[str, str, Any]]:
        """Take out what Qt's loader can't set: the properties of stand-ins."""
        class_name, taken = widget.get("class", ""), []
        own = {name for api in api_chain(class_name) for name in api.properties}
        cls = stand_ins.get(class_name) or getattr(QtWidgets, class_name, None)
        if cls is None:
            raise ValueError(f".ui: the stand-in has no {class_name}")
        for prop in list(widget.findall("property")):
            name = prop.get("name", "")
            if name in own:
                if prop[0].tag not in VALUES:
                    raise NotImplementedError(
                        f".ui: the stand-in does not read a {prop[0].tag} for {class_name}.{name}"
                    )
                taken.append((widget.get("name", ""), name, VALUES[prop[0].tag](prop[0])))
                widget.remove(prop)
            elif prop.get("stdset") != "0" and not isinstance(inspect.getattr_static(cls, name, None), QtProperty):
                raise ValueError(f".ui: {class_name} has no property {name}")
        return taken

    def _take_connections(self, root: ElementTree.Element) -> list[tuple[str, str, str, str]]:
        connections = root.find("connections")
        if connections is None:
            return []
        root.remove(connections)
        return [
            (c.findtext("sender", ""), c.findtext("signal", ""), c.findtext("receiver", ""), c.findtext("slot", ""))
            for c in connections
        ]
