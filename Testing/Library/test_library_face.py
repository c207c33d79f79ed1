"""What ``import DosePredictionLib`` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import DosePredictionLib

ROOT = Path(__file__).resolve().parents[2]
OFFERED = {
    "Geometry", "InputError", "Patient", "Prediction", "PredictionFailed", "PredictionStopped", "Predictor",
    "Structure", "StructureRole", "Volume", "read_patient", "write_patient_folder",
}  # fmt: skip


def test_the_library_lists_what_it_offers_and_gives_it() -> None:
    assert OFFERED == set(DosePredictionLib.__all__)
    functions = {"read_patient", "write_patient_folder"}
    listed = {name for name in dir(DosePredictionLib) if name[0].isupper() or name in functions}
    assert listed == OFFERED
    assert not {"_HOMES", "import_module"} & set(dir(DosePredictionLib))
    for name in OFFERED:
        assert getattr(DosePredictionLib, name).__name__ == name


def test_importing_and_listing_the_library_loads_nothing_of_it() -> None:
    program = (
        "import sys, DosePredictionLib; dir(DosePredictionLib); "
        "print([name for name in sys.modules if name.startswith('DosePredictionLib.') or name == 'numpy'])"
    )
    asked = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"
