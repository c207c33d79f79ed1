"""PySide6's classes made to follow PythonQt's rules, in place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

#: Enums become ints, as PythonQt's are; read when PySide6 is first imported.
ENUMS_ARE_INTS = 0x2
if "PySide6" in sys.modules:
    raise ImportError("the stand-in must be imported before PySide6: its enums have to become ints")
sys.pyside6_option_python_enum = ENUMS_ARE_INTS

from PySide6 import QtCore, QtGui, QtWidgets  # noqa: E402

from standin.api_names import classes_of  # noqa: E402
from standin.pythonqt.attributes import AbsentName, get_missing, set_attribute  # noqa: E402
from standin.pythonqt.properties import QtProperty  # noqa: E402
from standin.pythonqt.signals import SignalName, connect, disconnect  # noqa: E402

MODULES: tuple[ModuleType, ...] = (QtCore, QtGui, QtWidgets)
#: Qt calls these itself, through Python where a Python class overrides them: an attribute would not be called.
OVERRIDDEN_GETTERS = {"sizeHint", "minimumSizeHint", "duration"}
#: The static method, not the property of the same name.
NOT_PROPERTIES = {("QTimer", "singleShot")}
#: PySide6's own, or virtual: not hidden though PythonQt lacks them.
NOT_HIDDEN = {
    "staticMetaObject", "metaObject", "connectNotify", "disconnectNotify", "initStyleOptionForIndex",
    "initViewItemOption", "itemDelegateForIndex", "supportedDragActions", "setSupportedDragActions",
}  # fmt: skip
#: Python keywords get an underscore in PythonQt.
KEYWORDS = {"exec": "exec_", "print": "print_", "raise": "raise_", "del": "del_"}


def follow_pythonqt() -> None:
    """Give PySide6's classes properties, signals and attribute rules as PythonQt's have them."""
    classes = qt_object_classes()
    originals = {cls: dict(vars(cls)) for cls in classes}
    for cls in classes:
        _add_properties(cls, originals)
    for cls in classes:
        _add_inherited_properties(cls)
        _add_signals(cls, originals[cls])
        for name, alias in KEYWORDS.items():
            if name in originals[cls] and alias not in originals[cls]:
                setattr(cls, alias, originals[cls][name])
    _hide_names(originals)
    _add_object_rules(originals)


def qt_object_classes() -> list[type[QtCore.QObject]]:
    """PySide6's classes with a metaobject, bases before what derives from them."""
    names = ((module, name) for module in MODULES for name in dir(module))
    found = {cls for module, name in names for cls in [getattr(module, name)] if _is_object_class(cls)}
    return sorted(found, key=lambda cls: (len(cls.__mro__), cls.__name__))


def _is_object_class(cls: Any) -> bool:
    return (
        isinstance(cls, type) and issubclass(cls, QtCore.QObject) and cls.staticMetaObject.className() == cls.__name__
    )


def _add_properties(cls: type, originals: dict[type, dict[str, Any]]) -> None:
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        found = meta.property(index)
        name = found.name()
        if name in OVERRIDDEN_GETTERS or (cls.__name__, name) in NOT_PROPERTIES:
            continue
        getter = originals[cls].get(name)
        setter = f"set{name[0].upper()}{name[1:]}"
        is_method = type(getter).__name__ == "method_descriptor"
        prop = QtProperty(
            name,
            found.typeName(),
            writable=found.isWritable(),
            getter=getter if is_method else None,
            setter=setter if any(setter in originals.get(base, {}) for base in cls.__mro__) else None,
            on_class=None if is_method else getattr(cls, name, None),
        )
        setattr(cls, name, prop)


def _add_inherited_properties(cls: type) -> None:
    """A getter that a class overrides would hide the property that it inherits; in PythonQt the property wins."""
    for name in list(vars(cls)):
        inherited = next((vars(base)[name] for base in cls.__mro__[1:] if name in vars(base)), None)
        if isinstance(inherited, QtProperty) and not isinstance(vars(cls)[name], QtProperty):
            setattr(cls, name, inherited)


def _add_signals(cls: type, original: dict[str, Any]) -> None:
    meta = cls.staticMetaObject
    signatures: dict[str, list[str]] = {}
    for index in range(meta.methodOffset(), meta.methodCount()):
        method = meta.method(index)
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal:
            signatures.setdefault(bytes(method.name().data()).decode(), []).append(
                bytes(method.methodSignature().data()).decode()
            )
    for name, overloads in signatures.items():
        if name in original:
            setattr(cls, name, SignalName(name, tuple(overloads), original[name]))


def _hide_names(originals: dict[type, dict[str, Any]]) -> None:
    listed = {name: found.names for name, found in classes_of("qt").items()}
    for module in MODULES:
        for name in dir(module):
            cls = getattr(module, name)
            if name not in listed or not isinstance(cls, type):
                continue
            inherited = {member for base in cls.__mro__ for member in listed.get(base.__name__, ())}
            for member in originals.get(cls, vars(cls)):
                if not (
                    member.startswith("_")
                    or member in inherited
                    or member in NOT_HIDDEN
                    or member in KEYWORDS.values()
                    or isinstance(vars(cls)[member], type)
                ):
                    setattr(cls, member, AbsentName(member))


def _add_object_rules(originals: dict[type, dict[str, Any]]) -> None:
    own = originals[QtCore.QObject]
    find_child, find_children = own["findChild"], own["findChildren"]

    def found(self: Any, kind: Any, name: str | None = None) -> list[Any]:
        """Children of a class or of a class's name, PythonQt takes both."""
        if not isinstance(kind, str):
            return list(find_children(self, kind) if name is None else find_children(self, kind, name))
        every = find_children(self, QtCore.QObject)
        return [child for child in every if child.inherits(kind) and name in (None, child.objectName)]

    def first(self: Any, kind: Any, name: str | None = None) -> Any:
        if isinstance(kind, str):
            return next(iter(found(self, kind, name)), None)
        return find_child(self, kind) if name is None else find_child(self, kind, name)

    rules: dict[str, Any] = {
        "findChild": first,
        "findChildren": found,
        "className": lambda self: self.metaObject().className(),
        "name": property(lambda self: self.objectName, lambda self, value: self.setObjectName(str(value))),
        "__getattr__": get_missing,
        "__setattr__": set_attribute,
    }
    QtCore.QTimer.singleShot = staticmethod(_single_shot)
    for cls in originals:  # PySide6 gives each class its own of some of these
        for name, rule in rules.items():
            setattr(cls, name, rule)
        getter = next(originals[base]["__getattribute__"] for base in cls.__mro__ if _has_own_getter(originals, base))
        cls.__getattribute__ = _getter_with_connect(getter)


#: Timers of `_single_shot` that have not rung yet, and whom they call.
_ringing: dict[QtCore.QTimer, Callable[..., Any]] = {}


def _single_shot(milliseconds: int, slot: Callable[..., Any]) -> None:
    """PythonQt's QTimer.singleShot; PySide6's takes the timer's ``connect`` for its own."""
    timer = QtCore.QTimer()
    timer.setSingleShot(True)

    def ring() -> None:
        del _ringing[timer]
        slot()

    connect(timer, "timeout()", ring)
    _ringing[timer] = slot
    timer.start(milliseconds)


def forget_single_shots(owner: Any = None) -> None:
    """Call no methods of an object any more that QTimer.singleShot was to call; without an object, nothing at all."""
    for timer, slot in list(_ringing.items()):
        if owner is None or getattr(slot, "__self__", None) is owner:
            timer.stop()
            del _ringing[timer]


def _has_own_getter(originals: dict[type, dict[str, Any]], cls: type) -> bool:
    return "__getattribute__" in originals.get(cls, {})


def _getter_with_connect(get: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """PySide6 finds its own ``connect`` and ``disconnect`` before it looks into the class."""

    def attribute(self: Any, name: str) -> Any:
        if name == "connect" or name == "disconnect":
            return MethodType(connect if name == "connect" else disconnect, self)
        return get(self, name)

    return attribute
