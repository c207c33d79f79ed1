"""What it brings that samples lie at different places within the network's grid (`DefaultSystem.placed`).

    python Testing/Benchmarks/places.py openkbp/validation --patients 20

A network whose levels halve the volume answers a little differently when the patient is moved by some voxels. For
weights of the default system this prints the dose score (OpenKBP's: Babier et al., Medical Physics 48, 2021, eq. 1)
of the mean of one, four and eight samples, all in the middle and each at a place of its own, with the difference and
the paired t-test's p. ``--samples`` is not looked at.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from scipy.stats import ttest_rel  # noqa: E402
from shown_cases import command_line  # noqa: E402

from DosePredictionLib.conditioning.channels import ModelInput  # noqa: E402
from DosePredictionLib.inference.ensemble import Draw, Ensemble  # noqa: E402
from DosePredictionLib.systems.default import DefaultSystem  # noqa: E402

COUNTS = (1, 4, 8)


def sampled(draw: Draw, inputs: ModelInput, seed: int, placed: bool) -> np.ndarray:
    """One sample of the dose, Gy (Z, Y, X), in the middle or at a place of its own."""
    system = replace(cast(DefaultSystem, draw.member.system), placed=placed)
    seen = draw.view.of(inputs.only(system.channels))
    return draw.view.back(system.sample_dose(draw.member.network, seen, draw.steps, seed))


def main() -> int:
    """Print a line for each folder and number of samples."""
    shown = command_line(__doc__)
    if not isinstance(shown.engine.loaded.system, DefaultSystem):
        print(f"{shown.engine.loaded.path} is not of the default system; give --weights that are.", file=sys.stderr)
        return 2
    draws = Ensemble(shown.engine.loaded).draws(max(COUNTS))
    for dataset in shown.datasets:
        scores: dict[tuple[int, bool], list[float]] = {
            (count, placed): [] for count in COUNTS for placed in (False, True)
        }
        for case in shown.cases(dataset):
            clinical = case.dose_gy.astype(np.float32)
            for placed in (False, True):
                doses = [sampled(draw, case.inputs, seed, placed) for seed, draw in enumerate(draws)]
                for count in COUNTS:
                    errors = np.abs(np.mean(doses[:count], axis=0) - clinical)[case.inputs.region]
                    scores[count, placed].append(float(errors.mean()))
        print(f"{dataset.name}, {len(scores[1, False])} patients:")
        for count in COUNTS:
            middle, moved = np.array(scores[count, False]), np.array(scores[count, True])
            told = f"({(moved - middle).mean():+.3f}, p = {ttest_rel(moved, middle).pvalue:.2g})"
            print(
                f"  {count} samples: in the middle {middle.mean():.3f} Gy, placed {moved.mean():.3f} Gy {told}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
