"""Every file of the extension is listed for Slicer's build; what is not listed is not packaged."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from cmake_lists import FILE_LISTS, ROOT, files_in, listed, out_of_date, with_list, write


def test_the_lists_name_every_file_and_no_other() -> None:
    assert out_of_date() == [], "run `make cmake-lists`"


def test_the_lists_are_of_this_extension() -> None:
    counts = {(f.folder, f.variable): len(files_in(f)) for f in FILE_LISTS}
    assert counts[("DosePredictionLib", "MODULE_PYTHON_SCRIPTS")] > 40
    assert "DosePrediction.py" in files_in(FILE_LISTS[0])
    assert {"Resources/UI/Run.ui", "Resources/Icons/DosePrediction.png"} <= set(files_in(FILE_LISTS[1]))
    assert "Goals/head-and-neck.json" in files_in(FILE_LISTS[-1])


def test_pictures_that_only_the_readme_shows_are_not_packaged() -> None:
    assert (ROOT / "Resources" / "Screenshots").is_dir()
    assert not [name for file_list in FILE_LISTS for name in files_in(file_list) if "Screenshots" in name]


@pytest.fixture
def small_copy(tmp_path: Path) -> Path:
    for file_list in FILE_LISTS:
        folder = tmp_path / file_list.folder
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / file_list.folder / "CMakeLists.txt", folder)
    (tmp_path / "DosePrediction" / "Resources").mkdir()
    write(tmp_path)
    assert out_of_date(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(
    "file", ["DosePrediction/Panel/parts.py", "DosePrediction/Resources/UI/panel.ui", "DosePredictionLib/a/b.json",
             "Resources/Models/a model.safetensors"],
)  # fmt: skip
def test_a_new_file_is_missed_until_the_lists_are_written(small_copy: Path, file: str) -> None:
    path = small_copy / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    (fault,) = out_of_date(small_copy)
    assert fault.endswith("is not listed")
    write(small_copy)
    assert out_of_date(small_copy) == []
    path.unlink()
    (fault,) = out_of_date(small_copy)
    assert fault.endswith("does not exist")


def test_writing_a_list_leaves_the_rest_alone() -> None:
    text = "before\nset(A\n  old\n  )\nset(B\n  kept\n  )\nafter\n"
    written = with_list(text, "A", ["x.py", "a b.py"])
    assert written == 'before\nset(A\n  x.py\n  "a b.py"\n  )\nset(B\n  kept\n  )\nafter\n'
    assert listed(written, "A") == ["x.py", "a b.py"]


def test_the_extension_is_described_as_its_index_wants_it() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"^project\(DosePrediction\)$", text, re.MULTILINE)
    described = dict(re.findall(r'^set\(EXTENSION_(\w+) "([^"\n]+)"\)$', text, re.MULTILINE))
    assert described.keys() >= {"HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"}
    assert described["DEPENDS"] == "PyTorch SlicerRT"
    assert "${" not in described["ICONURL"] + described["SCREENSHOTURLS"]
    icon = described["ICONURL"].split("/main/")[1]
    assert (ROOT / icon).read_bytes().startswith(b"\x89PNG")
    for folder in ("DosePrediction", "DosePredictionLib", "Resources"):
        assert f"add_subdirectory({folder})" in text


@pytest.mark.parametrize("folder", ["", *sorted({file_list.folder for file_list in FILE_LISTS})])
def test_nothing_stands_outside_of_a_command(folder: str) -> None:
    text = (ROOT / folder / "CMakeLists.txt").read_text(encoding="utf-8")
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "quoted", text)
    text = re.sub(r"#.*", "", text)
    innermost = re.compile(r"\([^()]*\)")
    while innermost.search(text):
        text = innermost.sub(" closed\n", text)
    assert [line for line in text.splitlines() if line.strip() and not re.fullmatch(r"\s*\w+\s+closed", line)] == []
