"""What a prediction is asked for: nodes, plan and settings, and the model that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from DosePredictionLib.patient.patient import Patient
from DosePredictionScene.measured import CLINICAL
from DosePredictionScene.patient_from_nodes import PlanContext, patient_in_pieces
from DosePredictionScene.pieces import Pieces
from DosePredictionScene.segment_choices import SegmentChoice


@dataclass(frozen=True)
class ModelChoice:
    """What predicts, and where; see `Predictor`, also for the calibration of the dose."""

    system: str = "default"
    weights: Path | None = None
    device: str = "auto"
    calibrate: bool | Path = False


@dataclass(frozen=True)
class Request:
    """One prediction.

    Attributes:
        ct_node: vtkMRMLScalarVolumeNode in HU.
        segmentation_node: vtkMRMLSegmentationNode.
        reference_dose_node: a dose in Gy to compare with; None for none.
        reference_label: what tables call it: `CLINICAL` or `COMPARED`.
        choices: what segments are where their tags or names don't say it; see `segment_choices`.
        plan: what the nodes don't say.
        samples, steps: None takes what the weights recommend.
        seed: the same seed on the same device gives the same dose.
        source: the patient that the nodes were made from, whose contours volumes and DVHs are measured by where the
            nodes hold only their voxels; None for none.
    """

    ct_node: Any
    segmentation_node: Any
    reference_dose_node: Any = None
    choices: Mapping[str, SegmentChoice] | None = None
    plan: PlanContext | None = None
    samples: int | None = None
    steps: int | None = None
    seed: int = 0
    reference_label: str = CLINICAL
    source: Patient | None = None

    def patient_in_pieces(self) -> Pieces[Patient]:
        """The patient that the nodes hold, with the dose to compare with as its reference dose.

        Raises:
            InputError: see `patient_from_nodes`.
        """
        patient = yield from patient_in_pieces(
            self.ct_node,
            self.segmentation_node,
            dose_node=self.reference_dose_node,
            choices=self.choices,
            plan=self.plan,
        )
        return patient
