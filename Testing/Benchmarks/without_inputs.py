"""What a network's inputs are worth to it: the dose score with a part of what it sees taken away.

    python Testing/Benchmarks/without_inputs.py openkbp/validation openkbp/train --patients 40

No network is trained anew: a trained one is shown patients without their CT, without their beams (both of which it
has met in training) or without their organs at risk (which it has not). For each folder it prints the dose score
(OpenKBP's: Babier et al., Medical Physics 48, 2021, eq. 1), and in brackets the difference from the whole patient and
the paired t-test's p. How much better training patients are than validation patients says how much is known by heart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from scipy.stats import ttest_rel  # noqa: E402
from shown_cases import command_line  # noqa: E402

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, ModelInput  # noqa: E402


def without_organs(inputs: ModelInput) -> ModelInput:
    """The patient with no organ at risk contoured."""
    channels = inputs.channels.copy()
    channels[[inputs.names.index(organ) for organ in OAR_CHANNELS if organ in inputs.names]] = 0.0
    return replace(inputs, channels=channels)


CHANGES: dict[str, Callable[[ModelInput], ModelInput]] = {
    "whole": lambda inputs: inputs,
    "no CT": lambda inputs: inputs.without("ct"),
    "no beams": lambda inputs: inputs.without("beams"),
    "no organs at risk": without_organs,
}


def main() -> int:
    """Print a line for each folder and each part that is taken away."""
    shown = command_line(__doc__)
    for dataset in shown.datasets:
        scores: dict[str, list[float]] = {name: [] for name in CHANGES}
        for case in shown.cases(dataset):
            for name, change in CHANGES.items():
                dose_gy = shown.engine.sampled_dose(change(case.inputs), samples=shown.samples)
                errors = np.abs(dose_gy - case.dose_gy.astype(np.float32))[case.inputs.region]
                scores[name].append(float(errors.mean()))
        print(f"{dataset.name}, {len(scores['whole'])} patients:")
        whole = np.array(scores["whole"])
        for name, values in scores.items():
            text = f"  {name:<18} {np.mean(values):.3f} Gy"
            if name != "whole":
                text += f" ({np.mean(values - whole):+.3f}, p = {ttest_rel(values, whole).pvalue:.2g})"
            print(text, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
