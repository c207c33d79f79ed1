"""Seconds and memory of predictions and DVHs: ``make bench``.

Prints, for the bundled patient and for the same patient on a 512 x 512 x 200 CT:
cold and warm seconds of a prediction, seconds by stage, and the prediction process's peak memory; then the seconds of
DVHs of 20 structures on that CT beside dicompyler-core's on the same arrays. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from DosePredictionLib import Predictor, read_patient
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.patient.geometry import Geometry, vector3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path
from DosePredictionLib.worker.client import WorkerClient

LARGE_SHAPE = (200, 512, 512)


def on_large_ct(patient: Patient) -> Patient:
    """The patient on a CT of 512 x 512 x 200 voxels over the same space; the body and its masks are interpolated."""
    own = patient.geometry
    finer = np.asarray(own.shape[::-1]) / LARGE_SHAPE[::-1]
    spacing = vector3(np.asarray(own.spacing_mm) * finer)
    corner = own.lps_of_index(np.full(3, -0.5))
    first = corner + np.asarray(spacing) / 2
    large = Geometry(LARGE_SHAPE, spacing, vector3(first), own.direction)
    assert patient.ct is not None
    ct = Volume(patient.ct.on_grid(large, outside=-1024.0).array.astype(np.int16), large)
    structures = [replace(s, mask=s.mask.on_grid(large, nearest=True).cropped_to_nonzero()) for s in patient.structures]
    return replace(patient, geometry=large, ct=ct, structures=tuple(structures), reference_dose=None)


def peak_memory_gib(process_id: int) -> float:
    """Largest resident memory that a process has had (Linux)."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**20
    raise RuntimeError("no VmHWM in /proc")


def time_prediction(patient: Patient, label: str, repeats: int) -> Volume:
    """Print the timings of one patient; the predicted dose."""
    client = WorkerClient(device="cpu")
    with Predictor(client=client) as predictor:
        began = time.perf_counter()
        prediction = predictor.predict(patient)
        cold = time.perf_counter() - began
        warm, stages = [], []
        for _ in range(repeats):
            began = time.perf_counter()
            prediction = predictor.predict(patient)
            warm.append(time.perf_counter() - began)
            stages.append(prediction.provenance.seconds)
        assert client.process_id is not None
        memory = peak_memory_gib(client.process_id)
    by_stage = {name: round(float(np.median([s[name] for s in stages])), 2) for name in stages[0]}
    made = prediction.provenance
    print(f"{label}: cold {cold:.2f} s, warm {np.median(warm):.2f} s (min {min(warm):.2f}, max {max(warm):.2f}, "
          f"{repeats} runs; {made.samples} samples x {made.steps} steps), in the process {json.dumps(by_stage)}, "
          f"peak memory {memory:.2f} GiB")  # fmt: skip
    return prediction.dose


def twenty_structures(patient: Patient) -> list[Structure]:
    """The patient's structures but the dose region, repeated to twenty."""
    own = [s for s in patient.structures if s.role is not StructureRole.DOSE_REGION]
    return [replace(own[i % len(own)], name=f"{own[i % len(own)].name} {i}") for i in range(20)]


def time_dvhs(patient: Patient, dose: Volume) -> None:
    """Print the seconds of 20 DVHs, ours and dicompyler-core's."""
    structures = twenty_structures(patient)
    began = time.perf_counter()
    ours = [compute_dvh(dose, structure) for structure in structures]
    own_seconds = time.perf_counter() - began
    masks = [s.mask.on_grid(patient.geometry, nearest=True).array > 0 for s in structures]
    began = time.perf_counter()
    theirs = [dicompyler_dvh(dose, mask) for mask in masks]
    their_seconds = time.perf_counter() - began
    worst = max(abs(a.mean_gy - b.mean) for a, b in zip(ours, theirs, strict=True))
    print(f"DVHs of 20 structures on {patient.geometry.shape[::-1]}: {own_seconds:.2f} s; dicompyler-core's DVH of the "
          f"same voxels {their_seconds:.2f} s (ratio {own_seconds / their_seconds:.2f}); largest difference of a mean "
          f"dose {worst:.3f} Gy")  # fmt: skip


def dicompyler_dvh(dose: Volume, mask: np.ndarray):  # noqa: ANN201
    """dicompyler-core's DVH of a mask's voxels, in bins of 0.01 Gy as it makes them from DICOM."""
    from dicompylercore.dvh import DVH

    values = dose.array[mask]
    edges = np.arange(0, values.max() + 0.02, 0.01)
    counts = np.histogram(values, edges)[0] * dose.geometry.voxel_volume_cc
    return DVH(counts, edges, dvh_type="differential", dose_units="Gy", volume_units="cm3")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    sample = next(path for path in sorted(resource_path("SampleData").iterdir()) if path.is_dir())
    patient = read_patient(sample)
    time_prediction(patient, f"{patient.identifier}, {patient.geometry.shape[::-1]}", repeats)
    large = on_large_ct(patient)
    dose = time_prediction(large, "the same on 512 x 512 x 200", repeats)
    time_dvhs(large, dose)


if __name__ == "__main__":
    main()
