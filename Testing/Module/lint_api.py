"""Checks every `qt`, `ctk` and `slicer` name that the module uses against the list of what Slicer has.

    python Testing/Module/lint_api.py [FILE ...]

Besides names: the attributes of objects whose class can be seen (made in the same file, or from a .ui file), the
signatures of connected signals, properties that are called, keyword arguments to Qt, enums that are not flat, and
f-strings that are translated. The list: standin/api_names.json.
"""

from __future__ import annotations

import ast
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from standin.api_names import (  # noqa: E402
    api_chain,
    classes_of,
    module_names,
    other_classes,
    python_modules,
    python_names,
)

ROOT = Path(__file__).resolve().parents[2]
KITS = ("qt", "ctk", "slicer")
#: What `slicer` has besides classes.
SLICER_ATTRIBUTES = {"app", "mrmlScene", "modules", "moduleNames", "selfTests", "util", "packaging", "i18n"}
#: Modules of extensions that the module asks for.
EXTENSION_MODULES = {"dicomrtimportexport", "dosevolumehistogram", "isodose", "pytorchutils"}
OWN_MODULE = "doseprediction"
#: It makes an application of slicer-core, where Slicer is not.
NOT_IN_SLICER = {"headless_application.py"}
#: What ``self.ui`` and its other names are.
UI = "the .ui file"
#: Class of what some methods of Qt's give.
RETURNED = {"horizontalHeader": "QHeaderView", "verticalHeader": "QHeaderView", "lineEdit": "QLineEdit"}
TRANSLATING = {"_", "tr", "translate"}
#: What every object of PythonQt's has.
OBJECT_ATTRIBUTES = {"name", "className", "inherits", "help", "delete"}


@dataclass(frozen=True, order=True)
class Finding:
    """A name or use that Slicer does not have."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def main() -> int:
    """Print what is found in files, or in the whole module."""
    paths = [Path(name) for name in sys.argv[1:]] or module_files()
    found = findings(paths)
    for finding in found:
        print(finding)
    return int(bool(found))


def module_files() -> list[Path]:
    """Python and .ui files of the module."""
    folder = ROOT / "DosePrediction"
    files = [*folder.rglob("*.py"), *folder.rglob("*.ui")]
    return sorted(path for path in files if path.name not in NOT_IN_SLICER)


def findings(paths: list[Path]) -> list[Finding]:
    """What is wrong in some files, in order."""
    ui_paths = [path for path in paths if path.suffix == ".ui"]
    widgets = {name: cls for path in ui_paths for name, cls in ui_widgets(path).items()}
    found = [finding for path in ui_paths for finding in check_ui(path)]
    for path in paths:
        if path.suffix == ".py":
            found += check_python(path.read_text(encoding="utf-8"), str(path), widgets)
    return sorted(set(found))


# .ui files


def ui_widgets(path: Path) -> dict[str, str]:
    """Class by name of the widgets, layouts and actions of a .ui file."""
    root = ElementTree.parse(path).getroot()
    named = {
        element.get("name", ""): element.get("class", "")
        for kind in ("widget", "layout")
        for element in root.iter(kind)
    }
    return named | {action.get("name", ""): "QAction" for action in root.iter("action")}


def check_ui(path: Path) -> Iterator[Finding]:
    """Classes, properties, signals and slots of a .ui file."""
    root, widgets = ElementTree.parse(path).getroot(), ui_widgets(path)
    for widget in root.iter("widget"):
        name, cls = widget.get("name", ""), widget.get("class", "")
        if not is_class(cls):
            yield Finding(str(path), 0, f"{name}: Slicer has no widget {cls}")
            continue
        for prop in widget.findall("property"):
            if prop.get("stdset") != "0" and prop.get("name", "") not in properties_of(cls):
                yield Finding(str(path), 0, f"{name}: {cls} has no property {prop.get('name')}")
    for connection in root.iter("connection"):
        sender, receiver = (widgets.get(connection.findtext(end, ""), "") for end in ("sender", "receiver"))
        signal, slot = connection.findtext("signal", ""), connection.findtext("slot", "")
        if signal.replace(" ", "") not in signals_of(sender):
            yield Finding(str(path), 0, f"{sender} has no signal {signal}")
        if slot.partition("(")[0] not in attributes_of(receiver):
            yield Finding(str(path), 0, f"{receiver} has no slot {slot}")


# Python files


def check_python(source: str, path: str, widgets: dict[str, str] | None = None) -> list[Finding]:
    """What is wrong in a Python file.

    Args:
        widgets: class by name of what ``self.ui`` has.
    """
    checker = Checker(path, widgets)
    checker.visit(ast.parse(source))
    return sorted(set(checker.found))


class Checker(ast.NodeVisitor):
    """Walks a Python file. ``self.ui.NAME`` is not checked where ``widgets`` is None."""

    def __init__(self, path: str, widgets: dict[str, str] | None) -> None:
        self.found: list[Finding] = []
        self._path, self._widgets = path, widgets
        #: Class by name of what can be seen, of the module, the class and the functions around.
        self._scopes: list[dict[str, str]] = []

    def visit_Module(self, node: ast.Module) -> None:
        self._visit_scope(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_scope(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._visit_scope(node)

    def _visit_scope(self, node: ast.AST) -> None:
        """Learn what the names of a scope are, then check it. Names given to two classes are left out."""
        scope: dict[str, str] = {}
        self._scopes.append(scope)
        for target, value in assignments(node):
            name = ".".join(dotted_name(target))
            if (name.startswith("self.") == isinstance(node, ast.ClassDef)) and name:
                made = self._class_of(value) if value is not None else ""
                scope[name] = made if scope.get(name, made) == made else ""
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = dotted_name(node)
        if dotted and dotted[0] in KITS:
            self._check_dotted(node, dotted)
        cls = self._class_of(node.value)
        if cls not in ("", UI) and node.attr not in attributes_of(cls):
            self._report(node, f"{cls} has no {node.attr}")
        if self._widgets is not None and self._class_of(node.value) == UI and node.attr not in self._widgets:
            self._report(node, f"no .ui file has {node.attr}")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        dotted = dotted_name(function)
        if dotted and dotted[0] in ("qt", "ctk") and node.keywords:
            self._report(node, f"{'.'.join(dotted)}: Qt takes no keyword arguments")
        if dotted and dotted[-1] in TRANSLATING and any(isinstance(argument, ast.JoinedStr) for argument in node.args):
            self._report(node, 'an f-string can\'t be translated: _("... {x}").format(x=x)')
        if isinstance(function, ast.Attribute):
            cls = self._class_of(function.value)
            if cls == UI:
                pass
            elif cls and function.attr in properties_of(cls):
                self._report(node, f"{cls}.{function.attr} is a property, not a method")
            elif cls and node.keywords:
                self._report(node, f"{cls}.{function.attr}: Qt takes no keyword arguments")
            if cls and function.attr in ("connect", "disconnect") and node.args:
                self._check_signal(node, cls)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            cls = self._class_of(target.value) if isinstance(target, ast.Attribute) else ""
            if cls and isinstance(target, ast.Attribute) and target.attr in attributes_of(cls):
                if target.attr not in properties_of(cls):
                    self._report(target, f"{cls}.{target.attr} is no property: it can't be assigned")
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if node.module in python_modules() and alias.name not in {*python_names(node.module), "*"}:
                self._report(node, f"{node.module} has no {alias.name}")
            elif node.module in KITS:
                self._check_dotted(node, [node.module, alias.name])

    def _check_signal(self, node: ast.Call, cls: str) -> None:
        signal = node.args[0]
        if isinstance(signal, ast.Constant) and isinstance(signal.value, str):
            bare = signal.value.replace("const ", "").replace("&", "").replace(" ", "")
            if bare not in signals_of(cls):
                self._report(node, f"{cls} has no signal {signal.value}")

    def _check_dotted(self, node: ast.AST, dotted: list[str]) -> None:
        kit, name, *rest = dotted
        if kit == "slicer" and not is_class(name, kit):
            self._check_slicer(node, name, rest)
        elif not is_class(name, kit):
            self._report(node, f"Slicer has no {kit}.{name}")
        elif len(rest) == 1 and name not in other_classes(kit) and rest[0] not in attributes_of(name):
            self._report(node, f"Slicer has no {kit}.{name}.{rest[0]}")
        elif len(rest) == 2 and rest[0][0].isupper() and rest[1] in enumerators_of(name):
            self._report(node, f"PythonQt's enums are flat: {kit}.{name}.{rest[1]}")

    def _check_slicer(self, node: ast.AST, name: str, rest: list[str]) -> None:
        dotted = ".".join(["slicer", name, *rest[:1]])
        if f"slicer.{name}" in python_modules():
            known = not rest or rest[0] in python_names(f"slicer.{name}")
        elif name == "app":
            known = not rest or rest[0] in attributes_of("qSlicerApplication")
        elif name == "modules":
            known = not rest or rest[0] in module_names() | EXTENSION_MODULES or rest[0].lower().startswith(OWN_MODULE)
        elif name in SLICER_ATTRIBUTES:
            known = name != "mrmlScene" or not rest or has_vtk("vtkMRMLScene", rest[0])
        else:
            known = has_vtk(name, *rest[:1])
        if not known:
            self._report(node, f"Slicer has no {dotted}")

    def _class_of(self, node: ast.AST) -> str:
        """The class of an object, empty where it can't be told."""
        dotted = dotted_name(node)
        if dotted == ["self", "ui"]:
            return UI
        if dotted:
            name = ".".join(dotted)
            for scope in reversed(self._scopes):
                if name in scope:
                    return scope[name]
        if isinstance(node, ast.Attribute) and self._class_of(node.value) == UI:
            return (self._widgets or {}).get(node.attr, "")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            cls = self._class_of(node.func.value)
            return made_class(node) or (RETURNED.get(node.func.attr, "") if cls else "")
        return ""

    def _report(self, node: ast.AST, text: str) -> None:
        self.found.append(Finding(self._path, getattr(node, "lineno", 0), text))


def assignments(scope: ast.AST) -> Iterator[tuple[ast.AST, ast.AST | None]]:
    """What is assigned in a scope, and to what; None for what can't be told, such as arguments."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            yield node.target, node.value
        elif isinstance(node, ast.For | ast.comprehension):
            yield from ((target, None) for target in ast.walk(node.target))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            yield node.optional_vars, None
        elif isinstance(node, ast.arg):
            yield ast.Name(node.arg), None


def made_class(node: ast.AST | None) -> str:
    """The class that a call makes an object of, empty where it is no class of Qt's, CTK's or Slicer's."""
    dotted = dotted_name(node.func) if isinstance(node, ast.Call) else []
    known = len(dotted) == 2 and dotted[0] in KITS and dotted[1] in classes_of(dotted[0])
    return dotted[1] if known else ""


def dotted_name(node: ast.AST | None) -> list[str]:
    """["qt", "Qt", "AlignLeft"] of ``qt.Qt.AlignLeft``; empty where it is not that simple."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        inner = dotted_name(node.value)
        return [*inner, node.attr] if inner else []
    return []


# What classes have


def is_class(name: str, kit: str = "") -> bool:
    """Whether Slicer has a class."""
    return any(name in classes_of(k) or name in other_classes(k) for k in ([kit] if kit else KITS))


@cache
def attributes_of(cls: str) -> frozenset[str]:
    """All attributes of a class. PythonQt adds an underscore to Python's keywords."""
    names = {name for found in api_chain(cls, *KITS) for name in found.names}
    return frozenset(names | {f"{name}_" for name in ("exec", "print", "raise") if name in names} | OBJECT_ATTRIBUTES)


@cache
def properties_of(cls: str) -> frozenset[str]:
    """Qt properties of a class."""
    return frozenset({name for found in api_chain(cls, *KITS) for name in found.properties} | {"name"})


@cache
def enumerators_of(cls: str) -> frozenset[str]:
    """Values of the enums of a class."""
    return frozenset(name for found in api_chain(cls, *KITS) for name in found.enumerators)


@cache
def signals_of(cls: str) -> frozenset[str]:
    """Signatures of the signals of a class."""
    return frozenset(signature for found in api_chain(cls, *KITS) for signature in found.signals)


@cache
def has_vtk(name: str, *attribute: str) -> bool:
    """Whether slicer-core has a class, and the class an attribute."""
    import slicer

    return hasattr(slicer, name) and all(hasattr(getattr(slicer, name), a) for a in attribute)


if __name__ == "__main__":
    sys.exit(main())
