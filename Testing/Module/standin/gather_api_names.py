"""Writes api_names.json: which names Slicer's Python has in `qt`, `ctk` and `slicer`, read off the sources.

    python gather_api_names.py --slicer DIR --slicer-version 5.13 --ctk DIR --pythonqt DIR --qt5-stubs DIR

The folders hold the sources of Slicer/Slicer, commontk/CTK and MeVisLab/pythonqt, and an unpacked PyQt5-stubs wheel,
which says what Qt 5.15 has. A Qt name is kept if both Qt 5.15 (Slicer up to 5.10) and the installed PySide6 have it.
Needed only to follow a new Slicer; names are all that is taken.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).with_name("api_names.json")
#: Not for a panel; `qt.X` of these says that the stand-in does not have them.
UNUSED_QT = re.compile(
    "QAbstractGraphics|QAbstractPrint|QAbstractState|QAbstractText|QAbstractTransition|QAccessible|QAnimation|"
    "QBacking|QBasic|QBit|QCalendar$|QCbor|QCollator|QColor(Space|Transform)|QColumn|QCommandL|QConcat|"
    "QConical|QData|QDeadline|QEasing|QEventTransition|QFileS|QFinalState|QFocusFrame|QGesture|QGlyph|"
    "QGraphics|QHistoryState|QIcon.+|QIdentity|QImageIO|QInputMethod|QItemEditor|QJson|QKeyEventTransition|"
    "QLCD|QLibrary|QLogging|QMatrix|QMdi|QMessage(Auth|Log)|QMeta|QMime|QMouseEventTransition|QMovie|QMutex|"
    "QNative|QOffscreen|QOpenGL|QOperating|QPage|QPaged|QPaintDeviceW|QPaintEngine|QPan|QParallel|QPause|QPdf|"
    "QPicture|QPinch|QPixelF|QPlatform|QPlugin|QPrint|QQuaternion|QRadial|QRandom|QRaster|QRawFont|QRead|"
    "QRecursive|QResource|QRgba|QRunnable|QScroll(er|Prepare)|QSemaphore|QSequential|QSession|QShared|"
    "QSignalTransition|QSocket|QState|QStaticText|QStyle(Hint|Option|Painter)|QSurface|QSwipe|QSystem|QTablet|"
    "QTap|QText(Block|Boundary|DocumentF|DocumentW|Frame|Fragment|Inline|Item|Layout|Line|List|Object|Table)|"
    "QThreadPool|QTouch|QTranslator|QTranspose|QUndo|QUuid|QVariantA|QVector|QWait|QWhats|QWizard|QWrite|QXml"
)
#: Enumerators of `Qt` that no panel needs.
UNUSED_ENUMERATORS = re.compile(
    "Key_(?!([A-Z0-9]|F[0-9]+|Alt|Back.+|Control|Delete|Down|End|Enter|Escape|Home|Left|Meta|Minus|Page.+|Plus|Return|Right"
    "|Shift|Space|Tab|Up)$)|WA_(X11|Mac|WState)|AA_|Im[hA-Z]|Enter(Key)|NavigationMode|ExtraButton"
)
CTK_CLASSES = (
    "ctkAddRemoveComboBox ctkBasePopupWidget ctkCheckBox ctkCheckableComboBox ctkCheckableHeaderView "
    "ctkCheckablePushButton ctkCollapsibleButton ctkCollapsibleGroupBox ctkColorDialog ctkColorPickerButton "
    "ctkComboBox ctkCoordinatesWidget ctkDirectoryButton ctkDoubleRangeSlider ctkDoubleSlider ctkDoubleSpinBox "
    "ctkErrorLogModel ctkExpandButton ctkExpandableWidget ctkFittedTextBrowser ctkFlowLayout ctkLayoutFactory "
    "ctkLayoutManager ctkMenuButton ctkMenuComboBox ctkMessageBox ctkPathLineEdit ctkPopupWidget ctkPushButton "
    "ctkRangeSlider ctkRangeWidget ctkSearchBox ctkSettings ctkSliderWidget ctkThumbnailLabel ctkVTKAbstractView "
    "ctkVTKChartView ctkVTKRenderView ctkVTKSliceView ctkValueProxy "
).split()
SLICER_CLASSES = (
    "qMRMLAbstractViewWidget qMRMLCheckableNodeComboBox qMRMLCollapsibleButton qMRMLColorTableComboBox "
    "qMRMLLayoutManager qMRMLNodeComboBox qMRMLPlotView qMRMLPlotWidget qMRMLRangeWidget "
    "qMRMLSegmentSelectorWidget qMRMLSegmentationShow3DButton qMRMLSegmentsTableView qMRMLSliceControllerWidget "
    "qMRMLSliceView qMRMLSliceWidget qMRMLSliderWidget qMRMLSpinBox qMRMLSubjectHierarchyComboBox "
    "qMRMLSubjectHierarchyTreeView qMRMLTableView qMRMLTableWidget qMRMLThreeDView qMRMLThreeDWidget "
    "qMRMLVolumeThresholdWidget qMRMLWidget qMRMLWindowLevelWidget qSlicerAbstractCoreModule "
    "qSlicerAbstractModule qSlicerAbstractModuleFactoryManager qSlicerAbstractModuleWidget qSlicerApplication "
    "qSlicerCommandOptions qSlicerCoreApplication qSlicerCoreCommandOptions qSlicerCoreIOManager qSlicerIOManager "
    "qSlicerLayoutManager qSlicerLoadableModule qSlicerMainWindow qSlicerModuleFactoryManager "
    "qSlicerModuleManager qSlicerModuleSelectorToolBar qSlicerScriptedLoadableModule "
    "qSlicerScriptedLoadableModuleWidget qSlicerWidget "
).split()
WRAPPER = r"^class PythonQtWrapper_(\w+) : public QObject\n(.*?)^\};"
#: Macros that look like declarations.
MACROS = r"Q_(?:PROPERTY|ENUMS?|FLAGS?|DECLARE_\w+|CLASSINFO|DISABLE_COPY|INTERFACES)\([^()]*(?:\([^()]*\)[^()]*)*\)"
#: "public slots:" and the like, or the end of a declaration.
SECTION_OR_END = r"((?:public|protected|private)\s*(?:Q_SLOTS|slots)?\s*:(?!:)|(?:Q_SIGNALS|signals)\s*:)|;"
CTK_FOLDERS = ("Libs/Core", "Libs/Visualization/VTK/Widgets", "Libs/Widgets")
SLICER_FOLDERS = ("Base", "Libs/MRML/Widgets", "Modules/Loadable")
PYTHON_FILES = {
    "slicer.ScriptedLoadableModule": "Base/Python/slicer/ScriptedLoadableModule.py",
    "slicer.i18n": "Base/Python/slicer/i18n.py",
    "slicer.packaging": "Base/Python/slicer/packaging.py",
    "slicer.util": "Base/Python/slicer/util.py",
    "SampleData": "Modules/Scripted/SampleData/SampleData.py",
}


def main() -> None:
    """Read the sources, write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("slicer", "ctk", "pythonqt", "qt5-stubs"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--slicer-version", required=True)
    arguments = parser.parse_args()
    wrapped = pythonqt_members(arguments.pythonqt)
    ctk = classes_in(*(arguments.ctk / folder for folder in CTK_FOLDERS))
    slicer = classes_in(*(arguments.slicer / folder for folder in SLICER_FOLDERS))
    known_qt = qt_classes(wrapped, qt5_members(arguments.qt5_stubs))
    names = {
        "Slicer": arguments.slicer_version,
        "qt": dict(sorted(known_qt.items())),
        "qt, not in the stand-in": " ".join(sorted(set(wrapped) - set(known_qt))),
        "ctk": {name: described(ctk, name) for name in CTK_CLASSES},
        "ctk, not in the stand-in": " ".join(sorted(n for n in ctk if n.startswith("ctk") and n not in CTK_CLASSES)),
        "slicer": {name: described(slicer, name) for name in SLICER_CLASSES},
        "slicer, not in the stand-in": " ".join(
            sorted(n for n in slicer if re.match("q(MRML|Slicer)", n) and n not in SLICER_CLASSES)
        ),
        "modules": " ".join(sorted(module_names(arguments.slicer))),
        "python": {module: " ".join(defined_names(arguments.slicer / path)) for module, path in PYTHON_FILES.items()},
    }
    OUTPUT.write_text(json.dumps(names, indent=1) + "\n")


def pythonqt_members(folder: Path) -> dict[str, set[str]]:
    """What PythonQt wraps by hand, by class: methods, static methods, constructors' classes, enumerators (Qt 5.15)."""
    members: dict[str, set[str]] = {}
    kits = ("core", "core_builtin", "gui", "gui_builtin", "uitools")
    for header in sorted(h for kit in kits for h in folder.glob(f"generated_cpp_515/com_trolltech_qt_{kit}/*.h")):
        for found in re.finditer(WRAPPER, header.read_text(), re.S | re.M):
            name, body = found.groups()
            own = members.setdefault(name, set())
            for enum in re.finditer(r"enum (\w+)\s*\{(.*?)\}", body, re.S):
                own |= {enum[1]} | {value.split("=")[0].strip() for value in enum[2].split(",") if value.strip()}
            for line in body.splitlines():
                method = re.search(r"(\w+)\(", line)
                if method and not re.match("new_|delete_|py_|Q_", method[1]):
                    own.add(method[1].removeprefix(f"static_{name}_"))
    # Written by hand in PythonQt: what its QObject has besides, and the namespace of Qt's enums.
    members["QObject"] |= set("connect disconnect parent setParent children findChild findChildren tr".split())
    members["QObject"] |= {"property", "setProperty", "inherits"}
    members["QTimer"].add("singleShot")
    return members


def qt5_members(folder: Path) -> dict[str, set[str]]:
    """Members by class in Qt 5.15: methods, signals, enums and enumerators."""
    members: dict[str, set[str]] = {}

    def collect(body: list[ast.stmt], own: set[str]) -> None:
        for statement in body:
            if isinstance(statement, ast.FunctionDef):
                own.add(statement.name)
            elif isinstance(statement, ast.Assign):
                own |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                own.add(statement.target.id)
            elif isinstance(statement, ast.ClassDef):
                own.add(statement.name)
                collect(statement.body, own)

    for kit in ("QtCore", "QtGui", "QtWidgets"):
        for statement in ast.parse((folder / "PyQt5-stubs" / f"{kit}.pyi").read_text()).body:
            if isinstance(statement, ast.ClassDef):
                collect(statement.body, members.setdefault(statement.name, set()))
    return members


def qt_classes(wrapped: dict[str, set[str]], qt5: dict[str, set[str]]) -> dict[str, dict[str, Any]]:
    """The Qt classes, with the members that both Qt 5.15 through PythonQt and PySide6 have."""
    from PySide6 import QtCore, QtGui, QtWidgets

    # QtCore last: QtGui has a class Qt of its own, derived from QtCore's.
    found = {name: getattr(module, name) for module in (QtWidgets, QtGui, QtCore) for name in dir(module)}
    classes = {name: cls for name, cls in found.items() if isinstance(cls, type)}
    known = set(wrapped) & set(qt5)
    kept = {
        name: qt_class(cls, wrapped[name], qt5[name] | wrapped[name])
        for name, cls in classes.items()
        if name in known and not UNUSED_QT.match(name)
    }
    kept["QUiLoader"] = entry("QObject", methods={"load"})
    return kept


def qt_class(cls: type, wrapped: set[str], qt5: set[str]) -> dict[str, Any]:
    """What is kept of a class of PySide6's.

    Args:
        wrapped: what PythonQt wraps of it by hand.
        qt5: that, and what Qt 5.15 has.
    """
    import enum

    from PySide6.QtCore import QMetaMethod, QObject

    enums = [value for value in vars(cls).values() if isinstance(value, enum.EnumMeta)]
    enumerators = {str(member) for values in enums for member in values.__members__} & qt5
    if cls.__name__ == "Qt":
        enumerators = {name for name in enumerators if not UNUSED_ENUMERATORS.match(name)}
    methods = {name for name in vars(cls) if not name.startswith("_")} & wrapped
    properties: dict[str, str] = {}
    signals: set[str] = set()
    if issubclass(cls, QObject):
        # PythonQt takes properties, signals and slots from Qt itself.
        meta = cls.staticMetaObject
        for prop in (meta.property(i) for i in range(meta.propertyOffset(), meta.propertyCount())):
            if accessors(prop.name()) & qt5:
                properties[prop.name()] = prop.typeName()
        for method in (meta.method(i) for i in range(meta.methodOffset(), meta.methodCount())):
            name = bytes(method.name().data()).decode()
            if name in qt5 and method.methodType() == QMetaMethod.MethodType.Signal:
                signals.add(bytes(method.methodSignature().data()).decode())
            elif name in qt5:
                methods.add(name)
    if cls.__name__ == "QWidget":
        methods.add("raise_")
    return entry(cls.__mro__[1].__name__, properties, signals, methods - set(properties), enumerators)


def accessors(name: str) -> set[str]:
    """The methods that a property may have."""
    capital = name[0].upper() + name[1:]
    return {name, f"is{capital}", f"has{capital}", f"set{capital}"}


def classes_in(*folders: Path) -> dict[str, dict[str, Any]]:
    """The classes that the headers below some folders declare, by name, with what decorators add to them."""
    headers = [h for folder in folders for h in sorted(folder.rglob("*.h")) if "Testing" not in h.parts]
    texts = {h.stem: h.read_text(errors="replace") for h in headers if not h.stem.endswith("_p")}
    classes = {found["name"]: found for text in texts.values() for found in classes_of(text)}
    for stem in texts:
        if stem.endswith("PythonQtDecorators"):
            for name, method in decorations(texts[stem]):
                if name in classes:
                    classes[name]["methods"].add(method)
    return classes


def decorations(text: str) -> Iterator[tuple[str, str]]:
    """What a class of decorators adds: class, method. Their names and first parameters say to which class."""
    for name, method in re.findall(r"\bstatic_((?:q|ctk)\w+?)_(\w+)\(", text):
        yield name, method
    for method, name in re.findall(r"\b(\w+)\(\s*((?:q|ctk)\w+)\s*\*", text):
        if not re.match("static_|delete_|new_", method):
            yield name, method


def classes_of(text: str) -> Iterator[dict[str, Any]]:
    """The classes of a header, with what their Qt metaobject has."""
    text = re.sub(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', " ", text, flags=re.S)
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    for start in re.finditer(r"\bclass\s+(?:\w+\s+)?(\w+)\s*(?:final\s*)?:\s*([^{};()]+)\{", text):
        body = text[start.end() : closing_brace(text, start.end())]
        bases = [re.sub(r"\b(public|virtual|protected|private)\b", "", b).strip() for b in start[2].split(",")]
        properties = {
            name: kind.strip()
            for kind, name in re.findall(r"Q_PROPERTY\(\s*([\w:<>, *]+?)[\s*]+(\w+)\s+(?:READ|MEMBER)", body)
        }
        registered = set(re.findall(r"Q_(?:ENUMS?|FLAGS?|ENUM_NS)\(\s*(\w+)", body))
        flags = dict(re.findall(r"Q_DECLARE_FLAGS\(\s*(\w+)\s*,\s*(\w+)", body))
        registered |= {flags[name] for name in registered & set(flags)}
        enumerators = [
            value.split("=")[0].strip()
            for name, values in re.findall(r"enum\s+(?:class\s+)?(\w+)[^{};]*\{(.*?)\}", body, re.S)
            if name in registered
            for value in values.split(",")
            if value.strip()
        ]
        methods, signals = methods_and_signals(body)
        yield {
            "name": start[1], "bases": bases, "properties": properties, "methods": methods, "signals": signals,
            "enumerators": enumerators,
        }  # fmt: skip


def methods_and_signals(body: str) -> tuple[set[str], set[str]]:
    """What PythonQt calls of a class (public slots, invokables), and the signatures of its signals."""
    body = re.sub(MACROS, "", body)
    while re.search(r"\{[^{}]*\}", body):
        body = re.sub(r"\{[^{}]*\}", ";", body)
    methods: set[str] = set()
    signals: set[str] = set()
    section = "private"
    for piece in re.split(SECTION_OR_END, body):
        if not piece:
            continue
        if re.fullmatch(r"[\w\s]+:", piece.strip()):
            section = " ".join(piece.strip(" :\n").replace("Q_SLOTS", "slots").replace("Q_SIGNALS", "signals").split())
            continue
        declared = re.search(r"([~\w]+)\s*\((.*)\)", piece, re.S)
        if declared is None:
            continue
        if section == "signals":
            signals.add(f"{declared[1]}({','.join(bare_types(declared[2]))})")
        elif section == "public slots" or (section == "public" and "Q_INVOKABLE" in piece):
            methods.add(declared[1])
    return methods, signals


def bare_types(parameters: str) -> list[str]:
    """Parameter types as Qt normalizes them: no names, defaults, const or references."""
    bare = []
    for parameter in re.split(r",(?![^<]*>)", parameters):
        parameter = re.sub(r"\bconst\b|&", " ", parameter.split("=")[0]).strip()
        if not parameter:
            continue
        named = re.fullmatch(r"((?:unsigned\s+)?[\w:<>,* ]+?[\s*])\s*(\w+)", parameter)
        bare.append((named[1] if named and named[1].strip() != "unsigned" else parameter).replace(" ", ""))
    return bare


def closing_brace(text: str, start: int) -> int:
    """Where the brace opened just before ``start`` closes."""
    depth = 1
    for place in re.finditer(r"[{}]", text[start:]):
        depth += 1 if place[0] == "{" else -1
        if depth == 0:
            return start + place.start()
    return len(text)


def described(classes: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A CTK or Slicer class as the list has it."""
    found = classes[name]
    properties = {prop: kind.replace(" ", "") for prop, kind in found["properties"].items()}
    return entry(found["bases"][0], properties, found["signals"], found["methods"], found["enumerators"])


def entry(
    base: str,
    properties: dict[str, str] | None = None,
    signals: Iterable[str] = (),
    methods: Iterable[str] = (),
    enumerators: Iterable[str] = (),
) -> dict[str, Any]:
    """A class as the list has it: short, one line a kind of names."""
    names = {
        "properties": " ".join(f"{name}:{kind}" for name, kind in sorted((properties or {}).items())),
        "signals": " ".join(sorted(signals)),
        "methods": " ".join(sorted(methods)),
        "enumerators": " ".join(sorted(enumerators)),
    }
    return {"base": base, **{kind: text for kind, text in names.items() if text}}


def module_names(slicer: Path) -> Iterator[str]:
    """Names in slicer.modules of the modules that Slicer comes with."""
    for kind in ("Loadable", "Scripted", "CLI"):
        for folder in (slicer / "Modules" / kind).iterdir():
            if folder.is_dir():
                yield folder.name.lower()


def defined_names(path: Path) -> Iterator[str]:
    """What a Python module defines at its top level."""
    for statement in ast.parse(path.read_text()).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))


if __name__ == "__main__":
    main()
