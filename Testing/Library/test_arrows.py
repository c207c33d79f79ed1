"""The arrows between the rooms of the house, held by reading every import.

A patient comes in, is conditioned, a diffusion system samples a dose, inference puts it back, dosimetry measures it:
imports run that way only. The library never imports Slicer, and what Slicer loads at its start never imports torch.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "DosePredictionLib"

#: Each room of the library, and the rooms it may import besides itself.
#: A file directly inside the library is a room of its own.
GROUND = {"csv_file", "errors", "intended_use", "json_file", "resources", "rounding", "whole_file"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "rounding": set(),
    "intended_use": set(),
    "whole_file": {"errors"},
    "csv_file": {"whole_file"},
    "json_file": {"errors", "whole_file"},
    "resources": {"errors"},
    "patient": {"errors", "json_file", "rounding", "whole_file"},
    "dosimetry": {"patient"} | GROUND,
    "conditioning": {"patient", "errors"},
    "review": {"patient", "dosimetry", "conditioning"} | GROUND,
    "report": {"patient", "dosimetry", "review"} | GROUND,
    "networks": {"errors", "json_file"},
    "diffusion": {"errors"},
    "systems": {"conditioning", "networks", "diffusion", "errors"},
    "inference": {"patient", "dosimetry", "conditioning", "networks", "diffusion", "systems", "review"} | GROUND,
    "training": {"patient", "conditioning", "networks", "diffusion", "systems", "inference", "dosimetry"} | GROUND,
    "worker": {"patient", "inference", "dosimetry", "review"} | GROUND,
    "cli": {"patient", "inference", "training", "worker", "dosimetry", "review", "report"} | GROUND,
    "__init__": {"errors", "patient", "worker"},
    "__main__": {"cli"},
}

#: Packages that a file or folder never imports, not even inside a function.
SLICER = {"slicer", "qt", "ctk", "vtk", "vtkmodules"}
HEAVY = {"torch", "monai"}
FORBIDDEN_PACKAGES: dict[str, set[str]] = {
    LIBRARY: SLICER | {"DosePrediction", "DosePredictionScene", "DosePredictionPanel"},
    f"{LIBRARY}/patient": HEAVY,
    f"{LIBRARY}/dosimetry": HEAVY,
    f"{LIBRARY}/review": HEAVY,
    f"{LIBRARY}/report": HEAVY,
    "DosePrediction": HEAVY,
    "DosePrediction/DosePredictionScene": {"qt", "ctk", "DosePredictionPanel"},
}

LIBRARY_MODULE = re.compile(rf"{LIBRARY}(\.\w+)+")


def imported_modules(path: Path, package: str) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything that a file imports, at its top, in functions, or by a string.

    Relative imports count against ``package``, the dotted name of the package that the file lies in.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(parents + ([base] if base else []))
            # The names may be modules: "from DosePredictionLib import cli".
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and LIBRARY_MODULE.fullmatch(node.value):
            # Lazy imports name their module in a string.
            yield node.lineno, node.value
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def room_of(module: str, root: Path) -> str:
    """The room that a dotted name of the library belongs to; what the library's own face offers is "__init__"."""
    parts = module.split(".")
    if len(parts) > 1 and ((root / LIBRARY / parts[1]).is_dir() or (root / LIBRARY / f"{parts[1]}.py").is_file()):
        return parts[1]
    return "__init__"


def python_files(root: Path) -> list[Path]:
    """Every Python file of the library and the module."""
    return sorted(path for top in (LIBRARY, "DosePrediction") for path in (root / top).rglob("*.py"))


def forbidden_imports(root: Path) -> list[str]:
    """Every import under ``root`` that goes against an arrow, as "file:line: sentence"."""
    found = set()
    for path in python_files(root):
        file = path.relative_to(root)
        in_library = file.parts[0] == LIBRARY
        own = file.parts[1] if len(file.parts) > 2 else file.stem
        if in_library and own not in ALLOWED:
            found.add(f"{file}: the room {own!r} has no arrows yet; add it to ALLOWED")
            continue
        for line, module in imported_modules(path, ".".join(file.parts[:-1])):
            top = module.split(".")[0]
            for place, packages in FORBIDDEN_PACKAGES.items():
                if top in packages and file.as_posix().startswith(f"{place}/"):
                    found.add(f"{file}:{line}: {place} must not import {top}")
            if in_library and top == LIBRARY:
                room = room_of(module, root)
                if room != own and room not in ALLOWED[own]:
                    found.add(f"{file}:{line}: {own} must not import {room}")
    return sorted(found)


def test_every_import_follows_the_arrows() -> None:
    assert forbidden_imports(ROOT) == []


def test_every_room_of_the_table_exists() -> None:
    rooms = {path.relative_to(ROOT / LIBRARY).parts[0].removesuffix(".py") for path in (ROOT / LIBRARY).rglob("*.py")}
    assert rooms == set(ALLOWED)


def test_arrows_have_no_circle() -> None:
    settled: set[str] = set()
    while len(settled) < len(ALLOWED):
        free = {room for room, imports in ALLOWED.items() if room not in settled and imports <= settled}
        assert free, f"rooms that import each other: {set(ALLOWED) - settled}"
        settled |= free


def files_that_import(root: Path) -> dict[str, set[str]]:
    """By file: the files that it imports, for their types alone too; packages as the folders above name them."""
    files: dict[str, str] = {}
    for path in python_files(root):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts if parts[0] == LIBRARY or len(parts) < 3 else parts[1:])] = path.as_posix()
    imports: dict[str, set[str]] = {}
    for module, file in files.items():
        names = {name for _, name in imported_modules(Path(file), module.rpartition(".")[0])}
        imports[file] = {files[one] for name in names for one in (name, name.rpartition(".")[0]) if one in files}
    return {file: others - {file} for file, others in imports.items()}


def test_no_file_imports_what_imports_it() -> None:
    imports = files_that_import(ROOT)
    assert sum(map(len, imports.values())) > 1500
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the files


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("DosePredictionLib/patient/reading.py", "import slicer", "must not import slicer"),
        ("DosePredictionLib/cli/main.py", "from vtk.util import numpy_support", "must not import vtk"),
        ("DosePredictionLib/cli/main.py", "def f():\n    import qt", "must not import qt"),
        ("DosePredictionLib/worker/client.py", "from DosePredictionScene import boot", "import DosePredictionScene"),
        ("DosePredictionLib/patient/volume.py", "def f():\n    import torch", "patient must not import torch"),
        ("DosePredictionLib/dosimetry/dvh.py", "from monai.transforms import Resize", "must not import monai"),
        ("DosePredictionLib/dosimetry/dvh.py", "from DosePredictionLib.systems.default import X", "import systems"),
        ("DosePredictionLib/networks/unet.py", "import DosePredictionLib.conditioning.grid", "import conditioning"),
        ("DosePredictionLib/networks/unet.py", "from ..conditioning import grid", "import conditioning"),
        ("DosePredictionLib/networks/unet.py", "from .. import conditioning", "import conditioning"),
        ("DosePredictionLib/diffusion/sampler.py", "from DosePredictionLib import networks", "import networks"),
        ("DosePredictionLib/inference/engine.py", "import_module('DosePredictionLib.worker.client')", "import worker"),
        ("DosePredictionLib/inference/engine.py", "importlib.import_module('vtkmodules.all')", "import vtkmodules"),
        ("DosePredictionLib/systems/default.py", "HOMES = {'X': 'DosePredictionLib.cli.main'}", "import cli"),
        ("DosePredictionLib/conditioning/grid.py", "from DosePredictionLib import read_patient", "import __init__"),
        ("DosePredictionLib/utils/misc.py", "", "'utils' has no arrows yet"),
        ("DosePrediction/DosePrediction.py", "import torch.nn", "must not import torch"),
        ("DosePrediction/DosePredictionScene/dose.py", "import qt", "must not import qt"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, file: str, line: str, complaint: str) -> None:
    for room in ALLOWED:
        is_file = (ROOT / LIBRARY / f"{room}.py").exists()
        planted = tmp_path / LIBRARY / (f"{room}.py" if is_file else f"{room}/__init__.py")
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("from __future__ import annotations\nimport numpy as np\n", encoding="utf-8")
    assert forbidden_imports(tmp_path) == []
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    (found,) = forbidden_imports(tmp_path)
    assert found.startswith(file)
    assert complaint in found


def test_what_slicer_loads_at_its_start_loads_no_torch() -> None:
    light = [f"{LIBRARY}.worker.predictor"]
    for room in ("patient", "dosimetry", "review", "report"):
        light += [f"{LIBRARY}.{room}.{path.stem}" for path in sorted((ROOT / LIBRARY / room).glob("[!_]*.py"))]
    program = f"import sys; import {', '.join(light)}; print(sorted({HEAVY} & set(sys.modules)))"
    asked = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


def test_weights_that_ship_are_found_without_torch() -> None:
    """So that `evaluate` says in a sentence that torch is missing, and does not load it beside the worker."""
    program = (
        "import sys; sys.modules['torch'] = None; from argparse import Namespace; "
        f"from {LIBRARY}.cli.evaluate import _weights_files; "
        "asked = Namespace(weights=None, system='magdiff_adc', calibrate=True, calibration_weights=None); "
        "print([path.name for path in _weights_files(asked)])"
    )
    asked = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "['magdiff_adc.safetensors', 'adc-magdiff_adc.safetensors']"
