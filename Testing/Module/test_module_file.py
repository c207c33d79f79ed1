"""DosePrediction.py as Slicer loads it: without torch, before anything is predicted, with data in their places."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cmake_lists import FILE_LISTS, ROOT, files_in, listed

#: Slicer's base classes and translation, as far as the module's file needs them; torch and monai are kept out.
STAND_INS = """
import sys, types, unittest
sys.modules["torch"] = sys.modules["monai"] = None
import slicer
def module(name, **contents):
    made = types.ModuleType(name); vars(made).update(contents); sys.modules[name] = made; return made
class Base:
    def __init__(self, parent=None): self.parent = parent
module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
module("slicer.ScriptedLoadableModule", ScriptedLoadableModule=Base, ScriptedLoadableModuleWidget=Base,
       ScriptedLoadableModuleLogic=Base, ScriptedLoadableModuleTest=unittest.TestCase)
"""


def run_python(program: str, *folders: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DOSE_PREDICTION_RESOURCES")}
    environment["PYTHONPATH"] = os.pathsep.join(str(folder) for folder in folders)
    asked = subprocess.run(
        [sys.executable, "-c", program], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def test_the_module_describes_itself_without_torch() -> None:
    # As in Slicer with the unbuilt module's folder added: that folder alone is on the path.
    told = run_python(
        STAND_INS + "import types, DosePrediction as m\n"
        "parent = types.SimpleNamespace(); m.DosePrediction(parent)\n"
        "print(parent.title, parent.categories, parent.dependencies, parent.helpText, sep='|')\n"
        "import DosePredictionLib; print(DosePredictionLib.__file__)\n"
        "print(sorted(n for n in sys.modules if n.startswith('DosePredictionScene')))",
        ROOT / "DosePrediction",
    )
    described, library, scene_modules = told.strip().splitlines()
    assert described.startswith("Dose Prediction|['Radiotherapy']|[]|")
    assert "not for clinical decisions" in described
    assert Path(library) == ROOT / "DosePredictionLib" / "__init__.py"
    assert scene_modules == "[]", "the scene code is loaded when the module is opened, not when Slicer starts"


def test_logic_and_self_test_run_without_torch() -> None:
    told = run_python(
        STAND_INS + "from DosePredictionScene.headless_application import start_headless_application\n"
        "start_headless_application()\n"
        "import DosePrediction as m\n"
        "logic = m.DosePredictionLogic(); print(logic.busy, logic.poll())\n"
        "test = m.DosePredictionTest(); test.delayDisplay = print; test.runTest()\n"
        "logic.close(); print(sorted({'torch', 'monai'} & {n for n, v in sys.modules.items() if v}))",
        ROOT / "DosePrediction",
    )
    assert told.strip().splitlines() == ["False []", "Test passed", "Test passed", "[]"]


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripted modules of a built or packaged extension: the listed files, put where the build puts them."""
    modules = tmp_path_factory.mktemp("package") / "lib" / "Slicer-5.10" / "qt-scripted-modules"
    places = {"DosePrediction": "", "DosePredictionLib": "DosePredictionLib", "Resources": "Resources/DosePrediction"}
    for file_list in FILE_LISTS:
        text = (ROOT / file_list.folder / "CMakeLists.txt").read_text(encoding="utf-8")
        for name in listed(text, file_list.variable):
            copy = modules / places[file_list.folder] / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file_list.folder / name, copy)
    return modules


def test_the_packaged_extension_finds_its_data(packaged: Path) -> None:
    told = run_python(
        "import DosePredictionLib.resources as r, DosePredictionLib.patient.naming as n\n"
        "print(r.resource_path('Goals', 'head-and-neck.json'))\n"
        "print(r.resource_path('Models'))\n"
        "print(n.match_structure_name('Lt Parotid').standard_name)",
        packaged,
    )
    goals, models, name = told.strip().splitlines()
    assert Path(goals) == packaged / "Resources" / "DosePrediction" / "Goals" / "head-and-neck.json"
    assert Path(models) == packaged / "Resources" / "DosePrediction" / "Models"
    assert name == "Parotid_L", "the table of structure names came along"


def test_the_packaged_module_runs_its_own_test(packaged: Path) -> None:
    told = run_python(
        STAND_INS + "from DosePredictionScene.headless_application import start_headless_application\n"
        "start_headless_application()\n"
        "import DosePrediction as m\n"
        "test = m.DosePredictionTest(); test.delayDisplay = print; test.runTest()",
        packaged,
    )
    assert told.strip().splitlines() == ["Test passed", "Test passed"]


def test_the_packaged_headless_command_explains_itself(packaged: Path) -> None:
    script = packaged / "DosePredictionScene" / "headless.py"
    command = [sys.executable, str(script), "--help"]
    asked = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert asked.returncode == 0 and "CASE" in asked.stdout


def test_the_icon_is_there() -> None:
    assert "Resources/Icons/DosePrediction.png" in files_in(FILE_LISTS[1])
    header = (ROOT / "DosePrediction/Resources/Icons/DosePrediction.png").read_bytes()[16:24]
    assert [int.from_bytes(header[i : i + 4], "big") for i in (0, 4)] == [128, 128]
