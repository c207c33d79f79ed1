"""Looks at the CT autoencoder of ADDiff-Dose: error in HU, SSIM, and pictures of CT, reconstruction and difference.

python Testing/Benchmarks/ct_autoencoder.py runs/addiff_dose-ct_vae openkbp/validation
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PICTURED = 4


def main() -> int:
    """Measure every case and draw the first ones."""
    from matplotlib.figure import Figure

    from DosePredictionLib.training.case_cache import cached_cases
    from DosePredictionLib.training.config import TrainingConfig
    from DosePredictionLib.training.ct_vae_stage import HU_PER_UNIT, CTAutoencoderStage, reconstruct_ct
    from DosePredictionLib.training.earlier_weights import earlier_weights

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="output folder of the stage ct_vae")
    parser.add_argument("cases", help="folder of cases")
    arguments = parser.parse_args()
    weights = arguments.run / "weights.safetensors"
    encoder, fields = earlier_weights(weights, "addiff_dose", "ct_encoder.")
    decoder, _ = earlier_weights(weights, "addiff_dose", "ct_decoder.")
    config = TrainingConfig("", "", str(arguments.run), system="addiff_dose", system_config=fields, stage="ct_vae")
    stage = CTAutoencoderStage(config)
    network = stage.build_network()
    network.encoder.load_state_dict(encoder)
    network.decoder.load_state_dict(decoder)
    network.eval()
    cases = [case for case in cached_cases(arguments.cases, arguments.run / "cache" / "validation", stage.channels)
             if case.inputs.scalars[3]]  # fmt: skip
    scores = [stage.score(network, case, 0) for case in cases]
    figure = Figure(figsize=(8, 2.6 * min(PICTURED, len(cases))), layout="constrained")
    grid = figure.subplots(min(PICTURED, len(cases)), 3, squeeze=False)
    for row, case in zip(grid, cases, strict=False):
        original, reconstructed = reconstruct_ct(stage.system, network, case)
        middle = len(original) // 2
        difference = (reconstructed - original) * HU_PER_UNIT
        for axes, image, colours, low, high in (
            (row[0], original * HU_PER_UNIT - 1000, "gray", -400, 600),
            (row[1], reconstructed * HU_PER_UNIT - 1000, "gray", -400, 600),
            (row[2], difference * case.inputs.region, "RdBu_r", -400, 400),
        ):
            shown = axes.imshow(image[middle], cmap=colours, vmin=low, vmax=high)
            axes.set_xticks([])
            axes.set_yticks([])
            figure.colorbar(shown, ax=axes, fraction=0.04, label="HU")
        row[0].set_ylabel(case.identifier)
    for axes, title in zip(grid[0], ("CT in the dose region", "reconstruction", "reconstruction - CT"), strict=True):
        axes.set_title(title, fontsize=9)
    figure.savefig(arguments.run / "reconstruction.png", dpi=150)
    means = {name: round(float(np.nanmean([score[name] for score in scores])), 3) for name in scores[0]}
    (arguments.run / "reconstruction.json").write_text(json.dumps({"cases": len(cases), **means}, indent=2) + "\n")
    print(f"{len(cases)} CTs: {means} ({arguments.run / 'reconstruction.png'})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
