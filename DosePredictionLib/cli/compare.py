"""``compare``: doses of one patient side by side."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionLib.cli.dose_options import (
    add_comparison_options,
    case_and_goals,
    comparison_of,
    files_of_dose,
    named_dose,
    tell_warnings,
)
from DosePredictionLib.cli.goal_options import goals_file
from DosePredictionLib.cli.inputs_kept import check_keeps_inputs
from DosePredictionLib.cli.result_folders import check_writable, remove_left_file
from DosePredictionLib.dosimetry.comparison_tables import format_agreement, write_comparison_csv, write_comparison_json
from DosePredictionLib.dosimetry.dose_difference import dose_difference
from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.report.write import with_reference, write_report

#: What is written beside the difference files; report.html is a prediction's.
TABLE, CONTENT, PAGE = "compare.csv", "compare.json", "compare.html"


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "compare",
        help="hold doses of one case against its clinical dose and each other",
        description="Measures doses of CASE against its clinical or reference dose, or against the first dose given "
        "where the case has none: DVH figures, goals, voxel differences, gamma (3 %/3 mm and 2 %/2 mm, global and "
        "local, from 10 % of the maximum), isodose volumes. Writes compare.csv, compare.json, compare.html and "
        "difference_NAME.nrrd (Gy, on the reference's grid). Research use, not for clinical decisions.",
    )
    parser.add_argument("--dose", action="append", required=True, metavar="[NAME=]FILE", dest="doses",
                        help="a dose in Gy (NRRD, NIfTI or RTDOSE) on any grid; may be given again")  # fmt: skip
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the results")
    parser.add_argument("--without-reference", action="store_true",
                        help="leave the case's own dose out; the first --dose is the reference")  # fmt: skip
    add_comparison_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    out: Path = arguments.output
    read = [goals_file(arguments), *(file for given in arguments.doses for file in files_of_dose(given))]
    earlier = _earlier_differences(out)
    for path in (*(out / name for name in (TABLE, CONTENT, PAGE)), *earlier):
        # Of a case nothing is read from files of these names: those in it are of an earlier comparison.
        check_keeps_inputs(path, None, read)
    patient, taken = case_and_goals(arguments)
    if arguments.without_reference:
        patient = replace(patient, reference_dose=None)
    doses = [named_dose(given, patient) for given in arguments.doses]
    tell_warnings(text for dose in doses for text in dose.warnings)
    compared = with_reference(patient, doses)
    if len(compared) < 2:
        raise InputError(f"{patient.identifier} has no reference dose to compare one dose with; give a second --dose.")
    names = _file_names([dose.name for dose in compared[1:]])
    differences = [out / f"difference_{name}.nrrd" for name in names]
    for path in differences:
        check_keeps_inputs(path, None, read)
    check_writable(out)
    print(taken.sentence)
    comparison = comparison_of(arguments, patient, compared, taken.goals)
    if comparison.gamma_note:
        print(f"Warning: {comparison.gamma_note}", file=sys.stderr)
    for path in earlier:
        remove_left_file(path, "comparison")
    for dose, path in zip(compared[1:], differences, strict=True):
        dose_difference(dose.dose, compared[0].dose, compared[0].dose.geometry).write(path)
    write_comparison_csv(comparison, out / TABLE)
    write_comparison_json(comparison, out / CONTENT)
    write_report(
        out / PAGE, patient, doses, taken.goals, goals_reason=taken.reason, comparison=comparison, title="Comparison"
    )
    print(format_agreement(comparison))
    print(f"{patient.identifier}: {out}")
    return 0


def _earlier_differences(folder: Path) -> list[Path]:
    """The difference files that an earlier comparison left in a folder, as its compare.json tells."""
    if not (folder / CONTENT).is_file():
        return []
    try:
        content = read_json(folder / CONTENT, "a comparison")
    except InputError:
        return []
    names = content.get("doses") if isinstance(content, dict) and "reference" in content else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return []
    paths = [folder / f"difference_{name}.nrrd" for name in _file_names(names[1:])]
    return [path for path in paths if path.is_file()]


def _file_names(names: Sequence[str]) -> list[str]:
    """Doses' names as parts of files' names, each another one also where upper and lower case are the same."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", name).strip("._") or "dose"
        taken = {other.casefold() for other in found}
        numbered = (f"{plain}_{number}" for number in itertools.count(2))
        found.append(plain if plain.casefold() not in taken else next(n for n in numbered if n.casefold() not in taken))
    return found
