"""How often each warning comes for patients that a model was validated on, and the distributions behind the thresholds.

    python Testing/Benchmarks/warnings_calibration.py openkbp/validation [--predictions DIR] [--write]

Predicts each case with the shipped weights as they recommend (or takes DIR/PATIENT/dose.nrrd and its neighbours, as
``predict`` wrote them), prints percentiles of every figure and the share of patients with each warning. With
``--write`` the shares and the weights' hash go into Resources/Review/thresholds.json; thresholds are set by hand there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from DosePredictionLib.inference.weights_header import read_weights_header  # noqa: E402
from DosePredictionLib.patient.image_file import read_scalar_volume  # noqa: E402
from DosePredictionLib.patient.patient import Patient  # noqa: E402
from DosePredictionLib.patient.reading import find_cases, read_patient  # noqa: E402
from DosePredictionLib.patient.structure import StructureRole  # noqa: E402
from DosePredictionLib.patient.volume import Volume  # noqa: E402
from DosePredictionLib.resources import resource_path  # noqa: E402
from DosePredictionLib.review import measures  # noqa: E402
from DosePredictionLib.review.review import review_prediction  # noqa: E402
from DosePredictionLib.review.thresholds import read_thresholds  # noqa: E402
from DosePredictionLib.worker.predictor import Predictor  # noqa: E402

PERCENTILES = (5, 10, 50, 90, 95, 100)


def main() -> int:
    """Print the table; with --write, note its shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    weights = resource_path("Models", "default.safetensors")
    header = read_weights_header(weights)
    known = {
        "trained_on": str(header.training["data"]), "channels": tuple(header.config["channels"]),  # type: ignore[arg-type]
        "unusual_percent": header.uncertainty.get("unusual_percent"),
    }  # fmt: skip
    figures: dict[str, list[float]] = {}
    found: dict[str, int] = {}
    warned = 0
    patients = 0
    predict, close = _source(arguments.predictions)
    try:
        for case in find_cases(arguments.dataset):
            patient = read_patient(case)
            dose, std = predict(patient)
            patients += 1
            for name, value in _figures(patient, dose, std).items():
                figures.setdefault(name, []).append(value)
            names = {warning.id for warning in review_prediction(patient, dose, std, **known)}
            warned += bool(names)
            for name in names:
                found[name] = found.get(name, 0) + 1
    finally:
        close()

    print(f"{patients} patients; percentiles {', '.join(map(str, PERCENTILES))}:")
    for name, values in figures.items():
        known = np.array([value for value in values if not math.isnan(value)])
        print(f"  {name:<38} n={known.size:<3} " + " ".join(f"{p:9.2f}" for p in np.percentile(known, PERCENTILES)))
    path = resource_path("Review", "thresholds.json")
    text = path.read_text(encoding="utf-8")
    with_ct = sum(not math.isnan(value) for value in figures["CT above threshold, cc"])
    needs_ct = {"ct-metal", "ct-truncated", "target-near-skin"}
    print(f"{warned} of {patients} patients get any warning.")
    for name in sorted({*found, *json.loads(text)["thresholds"]}):
        share = 100.0 * found.get(name, 0) / (with_ct if name in needs_ct else patients)
        print(f"  {name:<38} {found.get(name, 0):3d}  {share:5.1f} %")
        entry = re.compile(rf'("{name}": \{{[^}}]*"validation_share_percent": )[\d.]+')
        text = entry.sub(rf"\g<1>{share:.1f}", text)
    if arguments.write:
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        path.write_text(re.sub(r'("weights_sha256": ")\w*', rf"\g<1>{digest}", text), encoding="utf-8")
    return 0


def _source(folder: Path | None) -> tuple[Callable[[Patient], tuple[Volume, Volume | None]], Callable[[], None]]:
    """What gives a patient's dose and standard deviation, and what to call at the end."""
    if folder is not None:

        def read(patient: Patient) -> tuple[Volume, Volume | None]:
            place = folder / patient.identifier
            std = place / "dose_std.nrrd"
            return read_scalar_volume(place / "dose.nrrd"), read_scalar_volume(std) if std.exists() else None

        return read, lambda: None
    predictor = Predictor()

    def predict(patient: Patient) -> tuple[Volume, Volume | None]:
        prediction = predictor.predict(patient)
        return prediction.dose, prediction.dose_std

    return predict, predictor.close


def _figures(patient: Patient, dose: Volume, std: Volume | None) -> dict[str, float]:
    """Every figure that a threshold is put on; NaN where it can't be measured."""
    limits = read_thresholds().by_id
    body = measures.body_of(patient)
    outside, skin, hot, high, metal, edges = (
        limits[name]
        for name in (
            "structure-outside", "target-near-skin", "hot-spot-outside-targets", "uncertainty-high", "ct-metal",
            "ct-truncated",
        )
    )  # fmt: skip
    outline = measures.dose_outline(patient, body)
    organs = [s for s in patient.structures if s.role in (StructureRole.TARGET, StructureRole.OAR)]
    nan = float("nan")
    level_gy = hot["prescription_percent"] / 100.0 * patient.prescription_gy
    near = [measures.near_skin_percent(t, body, skin["within_mm"]) for t in patient.targets] if body else [nan]
    return {
        "target or organ outside, %": nan if outline is None else max(
            measures.outside_percent(s, outline, outside["region_ends_within_mm"]) for s in organs),
        "target near skin, %": max(near),
        "CT above threshold, cc": nan if patient.ct is None else measures.volume_above_hu_cc(
            patient.ct, metal["from_hu"]),
        "slices cut off, %": nan if body is None else measures.cut_off_slices_percent(
            patient, body, edges["touching_mm"]),
        "target to CT's end, mm": measures.target_to_ct_end_mm(patient),
        "hot spot outside targets, cc": measures.hot_spot_outside_targets(
            patient, dose, level_gy, hot["margin_mm"]).volume_cc,
        "the same in the reference dose, cc": nan if patient.reference_dose is None else
            measures.hot_spot_outside_targets(patient, patient.reference_dose, level_gy, hot["margin_mm"]).volume_cc,
        "mean standard deviation, %": nan if std is None else measures.mean_std_percent(
            dose, std, patient.prescription_gy, high["dose_from_percent"]),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
