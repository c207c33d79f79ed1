"""Looks at what DiffKT3D makes of every modality but the dose, from all the others (without the dose).

    python Testing/Benchmarks/other_modalities.py openkbp/validation --output runs/other-modalities

No CT can be known from a few contours, so that its error says little by itself: soft tissue everywhere has a low one.
Beside it stand what a CT should share with the patient's own: how much of the dose region is bone and how much air, the
mean in the mandible's contour (bone) and within 15 mm of the spinal cord (vertebrae), the standard deviation inside the
body. ct.png shows the first patients beside the CTs they have. Of the other modalities it writes the Dice of what is a
mask and the mean absolute error of what is not. Organs are looked for from the CT, targets and beams; body and targets
can nearly be read off the beams. summary.json is what ``release`` takes.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PICTURED = 4
BONE_FROM_HU, AIR_TO_HU = 200.0, -400.0
NEAR_CORD_MM = 15.0
CT_COLUMNS = (
    "CT: mean absolute error, HU", "CT: bone, %", "bone in the patient's, %", "CT: air, %", "air in the patient's, %",
    "CT: mean in the mandible, HU", "mandible in the patient's, HU", "CT: mean around the spinal cord, HU",
    "around the spinal cord in the patient's, HU", "CT: standard deviation in the body, HU",
    "standard deviation in the patient's, HU",
)  # fmt: skip
OTHER_COLUMNS = ("organs: mean Dice", "body: Dice", "prescription: mean absolute error, Gy",
                 "open beams: mean absolute error")  # fmt: skip


def main() -> int:
    """Sample, measure and draw."""
    from DosePredictionLib.conditioning.channels import OAR_CHANNELS, model_input
    from DosePredictionLib.inference.modality import modality_weights, predict_modality
    from DosePredictionLib.inference.options import PredictionOptions
    from DosePredictionLib.inference.weights import load_weights
    from DosePredictionLib.patient.checks import check_patient
    from DosePredictionLib.patient.reading import find_cases, read_patient

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of cases; those without a CT are passed over")
    parser.add_argument("--weights", type=Path, help="default: those that ship for other targets than the dose")
    parser.add_argument("--samples", type=int, help="whose mean is taken (default: as the weights recommend, or 1)")
    parser.add_argument("--steps", type=int, help="denoiser calls each (default: likewise, or the system's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/other-modalities"))
    arguments = parser.parse_args()
    loaded = load_weights(arguments.weights or modality_weights("diffkt3d"))
    recommended = loaded.header.recommended
    samples = arguments.samples or recommended.get("samples", 1)
    steps = arguments.steps or recommended.get("steps", loaded.system.sampling_steps)
    options = PredictionOptions(samples, steps, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows, pictures = [], []
    for case in find_cases(arguments.cases):
        patient = check_patient(read_patient(case))
        if patient.ct is None:
            continue
        inputs = model_input(patient, loaded.system.channels)
        region = inputs.region

        def channel(name: str, inputs=inputs) -> np.ndarray:
            return inputs.channel(name).astype(np.float32)

        made = {name: predict_modality(loaded, patient, name, options, "cpu").array
                for name in ("ct", "oar", "body", "ptv", "beam")}  # fmt: skip
        own_hu = channel("ct") * 1000.0
        organs = [channel(name) > 0.5 for name in OAR_CHANNELS]
        row = ct_figures(made["ct"], own_hu, region, organs[OAR_CHANNELS.index("Bone_Mandible")],
                         organs[OAR_CHANNELS.index("SpinalCord")], inputs.geometry.spacing_mm)  # fmt: skip
        found = [dice(made["oar"] == label, organ & region) for label, organ in enumerate(organs, start=1)
                 if (organ & region).any()]  # fmt: skip
        prescription_gy = channel("prescription") * inputs.prescription_gy
        row += [
            float(np.mean(found)) if found else float("nan"),
            dice(made["body"] > 0.5, region),
            float(np.abs(made["ptv"] - prescription_gy)[region].mean()),
            float(np.abs(made["beam"] - channel("beams_high"))[region].mean()),
        ]
        rows.append([patient.identifier, *row])
        if len(pictures) < PICTURED:
            pictures.append((patient.identifier, made["ct"], np.where(region, own_hu, -1000.0), inputs.geometry))
    draw(pictures, arguments.output / "ct.png")
    columns = (*CT_COLUMNS, *OTHER_COLUMNS)
    means = [mean_of_known(column) for column in np.array([row[1:] for row in rows], dtype=float).T]
    with open(arguments.output / "modalities.csv", "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient", *columns])
        writer.writerows([[row[0], *(f"{value:.3f}" for value in row[1:])] for row in (*rows, ["mean", *means])])
    summary = {
        "target": "ct", "weights_sha256": loaded.sha256, "dataset": arguments.cases.name, "patients": len(rows),
        "samples": samples, "steps": steps, "seed": arguments.seed,
        "figures": {name: round(float(value), 3) for name, value in zip(columns, means, strict=True)},
    }  # fmt: skip
    (arguments.output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    print(f"{len(rows)} patients, {samples} samples of {steps} steps ({arguments.output})")
    for name, value in zip(columns, means, strict=True):
        print(f"  {name:<46} {value:8.2f}")
    return 0


def ct_figures(
    made: np.ndarray,
    own: np.ndarray,
    region: np.ndarray,
    mandible: np.ndarray,
    cord: np.ndarray,
    spacing_mm: tuple[float, float, float],
) -> list[float]:
    """A patient's `CT_COLUMNS`; NaN where there is no such organ.

    Args:
        made, own: (Z, Y, X) HU.
        region, mandible, cord: (Z, Y, X) booleans.
        spacing_mm: (x, y, z).
    """
    from scipy.ndimage import distance_transform_edt

    near = np.zeros_like(region)
    if cord.any():
        near = (distance_transform_edt(~cord, sampling=spacing_mm[::-1]) <= NEAR_CORD_MM) & ~cord & region
    body = region & (own > AIR_TO_HU)

    def mean(volume: np.ndarray, mask: np.ndarray) -> float:
        return float(volume[mask].mean()) if mask.any() else float("nan")

    row = [mean(np.abs(made - own), region)]
    row += [100.0 * float((volume[region] >= BONE_FROM_HU).mean()) for volume in (made, own)]
    row += [100.0 * float((volume[region] <= AIR_TO_HU).mean()) for volume in (made, own)]
    for mask in (mandible & region, near):
        row += [mean(made, mask), mean(own, mask)]
    return [*row, float(made[body].std()), float(own[body].std())]


def mean_of_known(figures: np.ndarray) -> float:
    """The mean over the patients that have the figure; NaN where none has."""
    known = figures[~np.isnan(figures)]
    return float(known.mean()) if known.size else float("nan")


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Of two masks; 1 where both are empty."""
    size = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / size if size else 1.0


def draw(pictures: list, path: Path) -> None:
    """Axial and sagittal planes of some patients' own CTs and of those that were made."""
    from matplotlib.figure import Figure

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
    for axes, title in zip(grid[0], ("CT", "from the structures") * 2, strict=True):
        axes.set_title(title, fontsize=9)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
