"""``significance``: paired tests between two systems' evaluations."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError

PLAN_FIGURES = "plan_figures.csv"


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "significance",
        help="paired tests between two evaluations of the same patients",
        description="Compares the plan figures of two systems on the patients that both were evaluated on: means, the "
        "paired t-test and Wilcoxon's signed-rank test of each figure (of DVH figures, of the absolute difference "
        "from the reference). A and B are output folders of evaluate --plan-figures, or their plan_figures.csv; of "
        "folders without plan figures, the scores and the changes from slice to slice are compared. No correction is "
        "made for the number of figures.",
    )
    parser.add_argument("a", metavar="A", type=Path)
    parser.add_argument("b", metavar="B", type=Path)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="CSV file for the table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.cli.inputs_kept import check_keeps_inputs
    from DosePredictionLib.cli.streams import said_beside
    from DosePredictionLib.dosimetry.paired_tests import (
        PLAN_FIGURES_COMPARED,
        SCORE_TABLES,
        SCORES_COMPARED,
        format_paired_tests,
        paired_plan_figures,
        paired_scores,
        write_paired_tests,
    )
    from DosePredictionLib.dosimetry.plan_figures import read_plan_figures
    from DosePredictionLib.dosimetry.scorecard_table import PATIENT_TABLE

    if arguments.output is not None:
        tables = (PLAN_FIGURES, *SCORE_TABLES, PATIENT_TABLE)
        inputs = [given / name for given in (arguments.a, arguments.b) for name in tables]
        check_keeps_inputs(arguments.output, None, [arguments.a, arguments.b, *inputs])
    paths = [given / PLAN_FIGURES if given.is_dir() else given for given in (arguments.a, arguments.b)]
    if arguments.a.is_dir() and arguments.b.is_dir() and not any(path.exists() for path in paths):
        tests, compared = paired_scores(arguments.a, arguments.b), SCORES_COMPARED
    else:
        tests, compared = paired_plan_figures(*(read_plan_figures(path) for path in paths)), PLAN_FIGURES_COMPARED
    if not any(test.patients for test in tests):
        raise InputError(
            f"{paths[0]} and {paths[1]} have no patient in common; evaluate both systems on the same data."
        )
    if arguments.output is not None:
        write_paired_tests(tests, arguments.output)
    with said_beside(arguments.output):
        print(format_paired_tests(tests, *told_apart(arguments.a, arguments.b), compared))
    return 0


def told_apart(a: Path, b: Path) -> tuple[str, str]:
    """The names of two evaluations, with as many of the folders that they lie in as it takes to tell them apart."""
    parts_a, parts_b = (Path(os.path.abspath(path)).parts for path in (a, b))
    deepest = max(len(parts_a), len(parts_b))
    apart = next((count for count in range(1, deepest) if parts_a[-count:] != parts_b[-count:]), 1)
    return Path(*parts_a[-apart:]).as_posix(), Path(*parts_b[-apart:]).as_posix()
