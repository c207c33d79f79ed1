"""Any modality from the others, for systems that can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from DosePredictionLib.conditioning.channels import OAR_CHANNELS, model_input
from DosePredictionLib.conditioning.modalities import DOSE, MODALITY_CHANNELS
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.device import choose_device
from DosePredictionLib.inference.modality_provenance import ModalityProvenance
from DosePredictionLib.inference.options import PredictionOptions
from DosePredictionLib.inference.package_versions import package_versions
from DosePredictionLib.inference.shipped_weights import default_weights
from DosePredictionLib.inference.weights import LoadedWeights
from DosePredictionLib.patient.checks import check_patient
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_root
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem

#: What can be asked for besides the dose.
TARGETS = tuple(name for name in MODALITY_CHANNELS if name != DOSE)
#: What the voxels of each hold, for whoever finds the image.
VALUES = {
    "ct": "HU, air outside the body",
    "ptv": "prescribed dose in Gy",
    "oar": ", ".join(["0 no organ", *(f"{label} {organ}" for label, organ in enumerate(OAR_CHANNELS, start=1))]),
    "body": "0 outside to 1 inside",
    "beam": "relative dose of the open beams of the highest target",
    "angle": "lines from the isocentre towards each beam's source, 0 to 1",
}
AIR_HU = -1000.0
#: The stage of training that asks for every modality.
ANY_TO_ANY = "any-to-any"


def modality_weights(system: str) -> Path:
    """The weights that ship for other targets than the dose: those of the stage any-to-any, or else the system's own.

    Raises:
        InputError: none ship.
    """
    path = resource_root() / "Models" / ANY_TO_ANY / f"{system}.safetensors"
    return path if path.is_file() else default_weights(system)


def modality_warning(loaded: LoadedWeights) -> str:
    """One sentence where weights of a system that can were trained for the dose last; empty otherwise."""
    stage = str(loaded.header.training.get("stage", ""))
    if stage in ("", ANY_TO_ANY) or not isinstance(loaded.system, DiffKT3DSystem):
        return ""
    return (
        f"{loaded.path.name} was trained for the dose last ({stage}) and has forgotten much of the other modalities; "
        f"give weights of the stage {ANY_TO_ANY} with --weights."
    )


def check_restores_modalities(loaded: LoadedWeights) -> DiffKT3DSystem:
    """The system of weights that restore other modalities than the dose.

    Raises:
        InputError: it restores nothing but doses.
    """
    if not isinstance(loaded.system, DiffKT3DSystem):
        raise InputError(f"The system {loaded.header.system!r} predicts nothing but doses; use --system diffkt3d.")
    return loaded.system


def predict_modality(
    loaded: LoadedWeights, patient: Patient, target: str, options: PredictionOptions, device: str = "auto"
) -> Volume:
    """The mean of samples of a modality on the model's grid: the box around the dose region.

    "ct" in HU, air outside the region; "ptv" the prescribed dose in Gy at a voxel; "oar" a labelmap, 1, 2 ... in the
    order of `OAR_CHANNELS`; "body" and "angle" from 0 to 1; "beam" the relative dose of the open beams of the highest
    target.

    Args:
        loaded: weights of a system that can.
        patient: what is asked for needn't be there, and isn't looked at where it is, but for the body: its outline (or
            the dose region's) is where anything is sampled at all.
        target: see `TARGETS`.
        options: how many samples, how many steps each; left out, what the weights recommend, or else one sample of the
            system's own number of steps. Several samples of one step give what is expected: a blurred CT. One of many
            steps has a grain instead, which is made up.
        device: see `choose_device`.

    Raises:
        InputError: the system restores nothing but doses, or the patient can't be used.
    """
    system = check_restores_modalities(loaded)
    patient = check_patient(patient)
    inputs = model_input(patient, system.channels)
    samples, steps = _samples_and_steps(loaded, system, options)
    network = loaded.network.to(choose_device(device))
    with torch.inference_mode():
        # Seeds as the dose's samples have them.
        seeds = [options.seed * 1000 + index for index in range(samples)]
        values = np.mean([system.sample_modality(network, inputs, target, steps, seed) for seed in seeds], axis=0)
    if target == "oar":
        shown = np.where(values.max(axis=0) > 0.5, values.argmax(axis=0) + 1, 0)
        return Volume((shown * inputs.region).astype(np.uint8), inputs.geometry)
    first = values[0]
    if target == "ct":
        picture = np.where(inputs.region, first * 1000.0, AIR_HU)
    elif target == "ptv":
        picture = np.maximum(first, 0.0) * inputs.prescription_gy * inputs.region
    else:
        picture = np.maximum(first, 0.0) * (1 if target == "body" else inputs.region)
    return Volume(picture.astype(np.float32), inputs.geometry)


def modality_provenance(
    loaded: LoadedWeights, patient: Patient, target: str, options: PredictionOptions
) -> ModalityProvenance:
    """How `predict_modality` samples a modality, to be kept beside it; arguments as there.

    Raises:
        InputError: the system restores nothing but doses.
    """
    samples, steps = _samples_and_steps(loaded, check_restores_modalities(loaded), options)
    return ModalityProvenance(
        target, VALUES[target], loaded.header.system, loaded.path.name, loaded.sha256,
        str(loaded.header.training.get("data", "")), patient.identifier, samples, steps, options.seed,
        package_versions(),
    )  # fmt: skip


def _samples_and_steps(loaded: LoadedWeights, system: DiffKT3DSystem, options: PredictionOptions) -> tuple[int, int]:
    recommended = loaded.header.recommended
    return (
        options.samples or recommended.get("samples", 1),
        options.steps or recommended.get("steps", system.sampling_steps),
    )
