"""Predict a case without a screen: the scene, pictures of it, tables and the dose, in one folder.

Run by a Python that has slicer-core::

    python DosePrediction/DosePredictionScene/headless.py CASE -o OUT

or by Slicer itself::

    Slicer --no-main-window --python-script DosePrediction/DosePredictionScene/headless.py CASE -o OUT
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

MODULE_FOLDER = Path(__file__).resolve().parents[1]


def _find_packages() -> None:
    """Put the module's folder and the library's on the path; run as a script, this file's own folder stands there."""
    own = str(Path(__file__).resolve().parent)
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(own)]
    for folder in (MODULE_FOLDER.parent, MODULE_FOLDER):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def argument_parser() -> argparse.ArgumentParser:
    """The command's options."""
    from DosePredictionLib.cli.goal_options import add_goals_option
    from DosePredictionLib.cli.model_options import add_model_options

    parser = argparse.ArgumentParser(
        prog="headless.py",
        description="Predicts the dose of a case and shows it in a Slicer scene, without a screen: scene.mrb, "
        "views.png, dvh.png, goals.csv, dvh.csv, dose.nrrd, prediction.json and, of two samples or more, dose_std.nrrd "
        "in OUT; with --calibrate also dose_uncalibrated.nrrd. "
        "Research use, not for clinical decisions.",
    )
    parser.add_argument("case", metavar="CASE", type=Path, help="a case folder, as dose-predict predict takes it")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", type=Path, help="folder for the results")
    add_model_options(parser)
    add_goals_option(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Carry the command out; 0, or 2 with one sentence on standard error."""
    _find_packages()
    from DosePredictionLib.cli.termination import ended_by_sigterm
    from DosePredictionLib.errors import InputError

    options = argument_parser().parse_args(arguments)
    try:
        from DosePredictionScene.headless_application import start_headless_application
        from DosePredictionScene.headless_case import predict_case

        with ended_by_sigterm():
            start_headless_application()
            predict_case(options)
    except InputError as error:
        print(f"headless.py: {error}", file=sys.stderr)
        return 2
    return 0


def _leave(code: int) -> None:
    """End with an exit code, in Slicer by way of its event loop. Imports nothing: that may be what went wrong."""
    slicer = sys.modules.get("slicer")
    if not hasattr(getattr(slicer, "app", None), "exit"):  # slicer-core has no event loop
        sys.exit(code)
    slicer.util.exit(code)


if __name__ == "__main__":
    try:
        code = main()
    except Exception:  # Slicer prints what a script raises, and goes on without it
        traceback.print_exc()
        code = 1
    _leave(code)
