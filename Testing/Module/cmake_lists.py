"""The file lists in CMakeLists.txt against the folders: a file that is not listed is not in the packaged extension.

``python Testing/Module/cmake_lists.py --write`` writes the lists anew; without ``--write`` it says what is outdated.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class FileList:
    """One ``set(VARIABLE ...)`` of files.

    Attributes:
        folder: whose CMakeLists.txt holds it, and whose files it lists.
        variable: the CMake variable.
        scripts: whether it lists Python files, all other files, or both (None).
        within: the part of the folder that it lists; "" for all of it.
        without: a folder in it that is not packaged; "" for none.
    """

    folder: str
    variable: str
    scripts: bool | None
    within: str = ""
    without: str = ""


FILE_LISTS = (
    FileList("DosePrediction", "MODULE_PYTHON_SCRIPTS", scripts=True),
    FileList("DosePrediction", "MODULE_PYTHON_RESOURCES", scripts=False, within="Resources"),
    FileList("DosePredictionLib", "MODULE_PYTHON_SCRIPTS", scripts=True),
    FileList("DosePredictionLib", "MODULE_PYTHON_RESOURCES", scripts=False),
    FileList("Resources", "RESOURCE_FILES", scripts=None, without="Screenshots"),  # for README.md alone
)


def files_in(file_list: FileList, root: Path = ROOT) -> list[str]:
    """The files that the list should hold, relative to its folder, in order."""
    folder = root / file_list.folder
    found = []
    for path in (folder / file_list.within).rglob("*"):
        name = path.relative_to(folder)
        if not path.is_file() or path.name == "CMakeLists.txt":
            continue
        if file_list.without and name.parts[0] == file_list.without:
            continue
        if any(part == "__pycache__" or part.startswith(".") for part in name.parts):
            continue
        if file_list.scripts is None or file_list.scripts == (path.suffix == ".py"):
            found.append(name.as_posix())
    return sorted(found)


def listed(text: str, variable: str) -> list[str]:
    """The entries of ``set(VARIABLE ...)`` in a CMakeLists.txt."""
    match = _pattern(variable).search(text)
    if match is None:
        raise ValueError(f"no set({variable} ...)")
    return [entry.strip('"') for entry in re.findall(r'"[^"]*"|\S+', match.group("entries"))]


def with_list(text: str, variable: str, entries: Iterable[str]) -> str:
    """A CMakeLists.txt with other entries in ``set(VARIABLE ...)``."""
    lines = "".join(f'  "{entry}"\n' if re.search(r"[\s;#()$]", entry) else f"  {entry}\n" for entry in entries)
    return _pattern(variable).sub(lambda _: f"set({variable}\n{lines}  )", text, count=1)


def out_of_date(root: Path = ROOT) -> list[str]:
    """What is listed but missing, or there but not listed, as sentences."""
    faults = []
    for file_list in FILE_LISTS:
        text = (root / file_list.folder / "CMakeLists.txt").read_text(encoding="utf-8")
        entries, files = listed(text, file_list.variable), files_in(file_list, root)
        place = f"{file_list.folder}/CMakeLists.txt, {file_list.variable}"
        faults += [f"{place}: {name} is not listed" for name in files if name not in entries]
        faults += [f"{place}: {name} does not exist" for name in entries if name not in files]
        faults += [f"{place}: {name} is listed twice" for name in sorted({n for n in entries if entries.count(n) > 1})]
    return faults


def write(root: Path = ROOT) -> None:
    """Write all lists anew."""
    for file_list in FILE_LISTS:
        path = root / file_list.folder / "CMakeLists.txt"
        text = path.read_text(encoding="utf-8")
        path.write_text(with_list(text, file_list.variable, files_in(file_list, root)), encoding="utf-8", newline="\n")


def _pattern(variable: str) -> re.Pattern[str]:
    return re.compile(rf"set\({variable}\b(?P<entries>[^)]*?)\)")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        write()
    outdated = out_of_date()
    print("\n".join(outdated) or "The CMake file lists are up to date.")
    sys.exit(1 if outdated else 0)
