"""What a sampled dose is rewarded for in post-training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from DosePredictionLib.conditioning.channels import ModelInput
from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.dosimetry.scorecard import Scorecard
from DosePredictionLib.dosimetry.scorecard_scoring import score_dose
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.training.post_training_config import PostTrainingConfig

#: Rewards of one patient that differ by less than this standard deviation (percent points) are not blown up. Well below
#: what samples of one patient differ by (0.2 to 0.4 with the small diffkt3d, before they are widened).
LEAST_DEVIATION = 0.1


def patient_on_grid(identifier: str, inputs: ModelInput) -> Patient:
    """The patient that the channels show, on the model's grid: targets by level, organs, the dose region as its body.

    Where targets overlap, a voxel belongs to the highest.
    """
    structures = [Structure("Body", Volume(inputs.region, inputs.geometry), StructureRole.EXTERNAL)]
    prescription = inputs.channel("prescription").astype(np.float32) * inputs.prescription_gy
    for level in np.unique(np.round(prescription[prescription > 0], 1)):
        mask = np.abs(prescription - level) < 0.06
        structures.append(
            Structure(f"PTV{level:g}", Volume(mask, inputs.geometry), StructureRole.TARGET, None, float(level))
        )
    for organ, mask in inputs.organ_masks().items():
        if mask.any():
            structures.append(Structure(organ, Volume(mask, inputs.geometry), StructureRole.OAR, organ))
    return Patient(identifier, inputs.geometry, None, tuple(structures))


def voxel_dvh(dose: Volume, structure: Structure) -> Dvh:
    """A DVH of whole voxels on one grid, as quick as a sort; every voxel stands for its own volume."""
    samples = np.sort(dose.array[structure.mask.array != 0].astype(np.float32))
    volume_cc = samples.size * dose.geometry.voxel_volume_cc
    if samples.size == 0:
        nan = float("nan")
        return Dvh(structure.name, 0.0, np.zeros(2), np.zeros(1), nan, nan, nan, samples)
    edges = np.array([0.0, float(samples[-1]) + 1e-3])
    return Dvh(
        structure.name, volume_cc, edges, np.array([volume_cc]), float(samples[0]), float(samples[-1]),
        float(samples.mean(dtype=np.float64)), samples,
    )  # fmt: skip


@dataclass(frozen=True)
class DoseFigures:
    """What is known of one sampled dose.

    Attributes:
        score_percent: on the scorecard, of the rows that the patient has.
        error_gy: mean absolute error in the dose region.
        hottest_percent: D0.1cc of the body in % of the prescription.
    """

    score_percent: float
    error_gy: float
    hottest_percent: float


def dose_figures(dose_gy: np.ndarray, clinical_gy: np.ndarray, patient: Patient, card: Scorecard) -> DoseFigures:
    """Figures of a dose on the model's grid.

    Args:
        dose_gy, clinical_gy: (Z, Y, X) on the patient's grid.
        patient: see `patient_on_grid`.
        card: the scorecard.
    """
    body = patient.structures[0]
    dose = Volume(dose_gy, patient.geometry)
    error_gy = float(np.abs(dose_gy - clinical_gy)[body.mask.array != 0].mean())
    hottest_gy = voxel_dvh(dose, body).dose_at_volume_cc(0.1)
    return DoseFigures(
        score_dose(card, patient, dose, voxel_dvh).percent, error_gy, 100.0 * hottest_gy / patient.prescription_gy
    )


def reward(figures: DoseFigures, before: DoseFigures, config: PostTrainingConfig, widening_gy: float = 0.0) -> float:
    """Scorecard percent, less what the voxel error and the hinges cost.

    The error is the anchor: a dose that scores by leaving the clinical one is no better dose. The hinges make what no
    clinic would accept expensive however well it scores.

    Args:
        figures: of the dose.
        before: of a dose that the policy before post-training gave for the patient.
        config: the weights.
        widening_gy: of the dose's error, what comes of widening the samples; the hinge doesn't hold it against them.
    """
    beyond_error = max(0.0, figures.error_gy - widening_gy - (1 + config.error_margin) * before.error_gy)
    beyond_hottest = max(0.0, figures.hottest_percent - config.hottest_percent)
    costs = config.error_weight * figures.error_gy + config.penalty * (beyond_error + beyond_hottest / 10)
    return figures.score_percent - costs


def optimality(rewards: np.ndarray) -> np.ndarray:
    """Rewards of one patient's samples as r in [0, 1]: 1/2 is their mean, half a standard deviation a quarter.

    (Zheng et al., DiffusionNFT, arXiv:2509.16117, section 3; there with a deviation over many prompts.)
    """
    deviation = max(float(rewards.std()), LEAST_DEVIATION)
    return 0.5 + 0.5 * np.clip((rewards - rewards.mean()) / deviation, -1.0, 1.0)
