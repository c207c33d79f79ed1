"""Looks at the CT that DiffKT3D makes up from targets and organs alone: pictures, error, bone and air.

    python Testing/Benchmarks/ct_from_structures.py openkbp/validation --output runs/ct-from-structures

No CT can be known from a few contours, so that its error says little by itself: soft tissue everywhere has a low one.
Beside it stands what a sample should share with a real CT: how much of the dose region is bone and how much air, the
mean in the mandible's contour (bone) and within 15 mm of the spinal cord (vertebrae), the standard deviation inside the
body. ct.png shows the first patients beside the CTs they have.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PICTURED = 4
BONE_FROM_HU, AIR_TO_HU = 200.0, -400.0
NEAR_CORD_MM = 15.0
COLUMNS = ("patient", "mean absolute error, HU", "bone, %", "bone in CT, %", "air, %", "air in CT, %", "mandible, HU",
           "mandible in CT, HU", "around cord, HU", "around cord in CT, HU", "deviation, HU",
           "deviation in CT, HU")  # fmt: skip


def main() -> int:
    """Sample, measure and draw."""
    from matplotlib.figure import Figure

    from DosePredictionLib.conditioning.channels import model_input
    from DosePredictionLib.inference.modality import modality_weights, predict_modality
    from DosePredictionLib.inference.options import PredictionOptions
    from DosePredictionLib.inference.weights import load_weights
    from DosePredictionLib.patient.checks import check_patient
    from DosePredictionLib.patient.reading import find_cases, read_patient

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of cases; those without a CT are passed over")
    parser.add_argument("--weights", type=Path, help="default: those that ship for other targets than the dose")
    parser.add_argument("--samples", type=int, help="CTs whose mean is taken (default: as the weights recommend)")
    parser.add_argument("--steps", type=int, help="denoiser calls each (default: likewise)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/ct-from-structures"))
    arguments = parser.parse_args()
    loaded = load_weights(arguments.weights or modality_weights("diffkt3d"))
    options = PredictionOptions(arguments.samples, arguments.steps, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows, pictures = [], []
    for case in find_cases(arguments.cases):
        patient = check_patient(read_patient(case))
        if patient.ct is None:
            continue
        inputs = model_input(patient, loaded.system.channels)
        own = inputs.channels[inputs.names.index("ct")].astype(np.float32) * 1000.0
        made = predict_modality(loaded, patient, "ct", options, "cpu").array
        masks = {name: inputs.channels[inputs.names.index(name)] > 0.5 for name in ("Bone_Mandible", "SpinalCord")}
        rows.append([patient.identifier, *figures(made, own, inputs.region, masks, inputs.geometry.spacing_mm)])
        if len(pictures) < PICTURED:
            pictures.append((patient.identifier, made, np.where(inputs.region, own, -1000.0), inputs.geometry))
    figure = Figure(figsize=(11, 2.6 * len(pictures)), layout="constrained")
    grid = figure.subplots(len(pictures), 4, squeeze=False)
    for row, (identifier, made, own, geometry) in zip(grid, pictures, strict=True):
        x, y, z = geometry.spacing_mm
        level, across = made.shape[0] // 2, made.shape[2] // 2
        for axes, volume, sagittal in ((row[0], own, False), (row[1], made, False), (row[2], own, True),
                                       (row[3], made, True)):  # fmt: skip
            plane = volume[::-1, :, across] if sagittal else volume[level]
            axes.imshow(plane, cmap="gray", vmin=-400, vmax=800, aspect=z / y if sagittal else y / x)
            axes.set_xticks([])
            axes.set_yticks([])
        row[0].set_ylabel(identifier)
    for axes, title in zip(grid[0], ("CT", "made up from the structures") * 2, strict=True):
        axes.set_title(title, fontsize=9)
    figure.savefig(arguments.output / "ct.png", dpi=150)
    means = ["mean", *np.nanmean(np.array([row[1:] for row in rows], dtype=float), axis=0)]
    with open(arguments.output / "ct.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([[row[0], *(f"{value:.2f}" for value in row[1:])] for row in (*rows, means)])
    print(f"{len(rows)} CTs made up ({arguments.output})")
    for name, value in zip(COLUMNS[1:], means[1:], strict=True):
        print(f"  {name:<26} {value:8.1f}")
    return 0


def figures(
    made: np.ndarray,
    own: np.ndarray,
    region: np.ndarray,
    masks: dict[str, np.ndarray],
    spacing_mm: tuple[float, float, float],
) -> list[float]:
    """A patient's row of `COLUMNS`, without the name; NaN where there is no such organ.

    Args:
        made, own: (Z, Y, X) HU.
        region: (Z, Y, X) boolean, the dose region.
        masks: of mandible and spinal cord.
        spacing_mm: (x, y, z).
    """
    from scipy.ndimage import distance_transform_edt

    cord = masks["SpinalCord"]
    near = np.zeros_like(region)
    if cord.any():
        near = (distance_transform_edt(~cord, sampling=spacing_mm[::-1]) <= NEAR_CORD_MM) & ~cord & region
    body = region & (own > AIR_TO_HU)

    def mean(volume: np.ndarray, mask: np.ndarray) -> float:
        return float(volume[mask].mean()) if mask.any() else float("nan")

    row = [mean(np.abs(made - own), region)]
    for chosen in (lambda hu: hu >= BONE_FROM_HU, lambda hu: hu <= AIR_TO_HU):
        row += [100.0 * float(chosen(volume[region]).mean()) for volume in (made, own)]
    for mask in (masks["Bone_Mandible"] & region, near):
        row += [mean(made, mask), mean(own, mask)]
    return [*row, float(made[body].std()), float(own[body].std())]


if __name__ == "__main__":
    sys.exit(main())
