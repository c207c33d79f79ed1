"""What ``pip install`` gives a user: the library and all the data it ships, found from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("Goals", "Models", "Review", "SampleData", "Scorecards")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


def relative_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }


def test_the_wheel_holds_every_file_of_the_library_and_of_the_shipped_data(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("DosePredictionLib/")}
    expected = {f"DosePredictionLib/{name}" for name in relative_files(ROOT / "DosePredictionLib")}
    for shipped in SHIPPED:
        files = relative_files(ROOT / "Resources" / shipped)
        assert files, f"Resources/{shipped} is empty"
        expected |= {f"DosePredictionLib/Resources/{shipped}/{name}" for name in files}
    assert packed == expected
    assert "DosePredictionLib/py.typed" in packed, "type checkers pass over the hints of a package without it"


def test_the_installed_library_finds_its_data(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "import DosePredictionLib.resources as r, DosePredictionLib; print(DosePredictionLib.__file__); "
        "print(r.resource_path('Goals', 'head-and-neck.json')); print(r.resource_path('Models', 'default.safetensors'))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DOSE_PREDICTION_RESOURCES"}
    asked = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**environment, "PYTHONPATH": str(tmp_path / "site")},
    )  # fmt: skip
    lines = [Path(line).resolve() for line in asked.stdout.splitlines()]
    assert len(lines) == 3
    assert all((tmp_path / "site").resolve() in line.parents for line in lines)


def test_the_installed_command_is_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert "dose-predict = DosePredictionLib.cli.main:main" in archive.read(entry_points).decode()
