"""Checks that texts for people go through ``_()``: ``python Testing/Module/lint_translations.py [FILE ...]``.

In Python, a text for people is a literal with two words or a capitalised word, where it is no docstring, no name of a
node, file, setting, signal or column. In a .ui file it is every string with a letter that is not marked ``notr``, which
Qt translates by itself; texts in attributes that Qt does not translate are found.
"""

from __future__ import annotations

import ast
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRANSLATING = {"_", "tr", "translate"}
#: Two words with a space between, or a sentence's end.
PROSE = re.compile(r"[A-Za-z]{2,}[,;:]? \(?[A-Za-z]{2,}|[a-z]\.$|^[A-Z][a-z]+$")
#: What looks like prose and is none: signals, style sheets, dotted names, file filters are prose.
NO_PROSE = re.compile(r"^\w+\([\w*,]*\)$|^[\w.]+\.\w+$|background:|^qSlicer|^vtk")
#: Names that the scene keeps, fields of tables in it, and keys: they must be the same in every language.
KEPT = {
    "Verdict", "Structure", "Goal", "Predicted", "Clinical", "Compared", "Difference", "Tolerance", "Reason", "Source",
    "Metric", "Value", "Points", "Maximum", "Remark",
    "Radiotherapy", "Escape", "Return", "Enter", "Darwin", "Inputs", "Structures", "Prescription", "Model", "Install",
    "Run", "Results", "Resources", "Label", "Gy", "Test passed", "Models", "Goals", "Protons", "DosePrediction",
    "SampleData",
    "head and neck", "soft tissue", "not applicable", "SlicerDosePrediction structure names, version 1",
    "The SlicerDosePrediction contributors",
}  # fmt: skip


def main() -> int:
    """Print what is found."""
    found = findings([Path(name) for name in sys.argv[1:]] or panel_files())
    for text in found:
        print(text)
    return int(bool(found))


def panel_files() -> list[Path]:
    """The files that hold texts for people."""
    module = ROOT / "DosePrediction"
    return sorted([module / "DosePrediction.py", *(module / "DosePredictionPanel").glob("*.py"), *module.rglob("*.ui")])


def findings(paths: list[Path]) -> list[str]:
    """Texts that are not translated, with their places."""
    found = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        found += [f"{path}:{place}" for place in (in_ui(text) if path.suffix == ".ui" else in_python(text))]
    return found


def in_python(source: str) -> list[str]:
    """Literals for people outside ``_()``."""
    tree = ast.parse(source)
    skipped = {id(part) for node in ast.walk(tree) for part in _not_for_people(node)}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in skipped:
            continue
        if node.value not in KEPT and PROSE.search(node.value) and not NO_PROSE.search(node.value):
            found.append(f"{node.lineno}: {node.value!r} does not go through _()")
    return found


def _not_for_people(node: ast.AST) -> list[ast.AST]:
    """Literals that are translated, docstrings, and what is raised or asserted for programmers."""
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return [part for argument in node.args for part in ast.walk(argument)] if name in TRANSLATING else []
    if isinstance(node, ast.Expr):  # a docstring
        return [node.value]
    return []


def in_ui(text: str) -> list[str]:
    """Strings that Qt would not translate although people read them, or translate although nobody does."""
    found = []
    for prop in ElementTree.fromstring(text).iter("property"):
        lists = prop.find("stringlist")
        if lists is not None and lists.get("notr") != "true" and prop.get("name") in ("nodeTypes", "nameFilters"):
            found.append(f"0: {prop.get('name')} must not be translated: notr")
        string = prop.find("string")
        if string is not None and string.get("notr") == "true" and re.search(r"[A-Za-z]", string.text or ""):
            found.append(f"0: {string.text!r} is marked as not to be translated")
    return found


if __name__ == "__main__":
    sys.exit(main())
