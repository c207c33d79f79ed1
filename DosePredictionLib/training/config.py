"""What a training run is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.training.config_checks import check_canvas_sizes, check_fields


@dataclass(frozen=True)
class TrainingConfig:
    """One training run, as its JSON file says it.

    Attributes:
        train: folder of training cases.
        validation: folder of validation cases.
        output: folder for checkpoints, curves and the finished weights; the run resumes from what it finds there.
        cache: folder of conditioned cases, which runs may share; None for one in ``output``.
        system: name of the system.
        system_config: the system's own fields.
        stage: of the system's training; "dose" ends in its weights.
        from_weights: weights file that the run goes on from: of an earlier stage, or of this one (such as those that
            ship, to fit them to other patients); or, where a system knows one, a folder with a published backbone. None
            begins with fresh weights, where a stage can.
        steps: optimiser steps in all.
        decay_steps: the learning rate is constant and falls to zero over these last steps (warm-up, stable, decay:
            Hu et al., MiniCPM, 2024), so a run can be prolonged from any checkpoint before the fall.
        batch: patients a step (on each device).
        canvas: voxels (z, y, x) that every batch is padded or cut to, so that a GPU always sees one shape; None pads to
            the smallest shape that holds the batch.
        low_rank: rank of the changes that are learnt of frozen weights (LoRA), where a stage can; 0 trains all weights.
        post_training: see `PostTrainingConfig`.
        slices: neighbouring slices that slice-wise systems take from a patient in a step.
        patches: patches that patch-wise systems take from a patient in a step.
        mixup: patients are mixed with shares from Beta(mixup, mixup) (Zhang et al., ICLR 2018), where a stage does so;
            0 for none.
        mixed_batches: probability that a batch is mixed; dose constraints can only be asked of the others.
        clinical_weight: of the dose constraints in the loss, where a stage has them (`clinical_loss`).
        optimiser: "adamw", or "muon" for the weight matrices and AdamW for all else (`optimiser.build_optimisers`).
        learning_rate, weight_decay: of either.
        cosine_to: when given, the learning rate falls to this along half a cosine over all steps, instead of
            ``decay_steps``.
        warmup_steps: the learning rate rises over these first steps.
        ema: decay of the moving average of the weights.
        turn_probability: of turning a patient about the long axis and resampling it in the axial plane.
        turn_degrees: angles are within plus and minus this.
        beam_turn_share: so many of the turns are multiples of the beams' 40 degrees instead.
        resize: voxels become up to this fraction smaller or larger.
        stretch_probability: of stretching a patient along the three axes to one of another build (`stretching`).
        stretch: standard deviation of the logarithm of a place's factor then.
        coarse_steps: over the first so many steps patients have half the resolution along each axis (`coarse_case`): an
            eighth of the voxels, so that steps take a fifth of the time, and what is learnt holds at full resolution
            after some hundred steps more.
        unturned_steps: over the last so many steps patients are neither turned (but by quarters) nor resized, which
            fits the network to doses that no interpolation has smoothed.
        names_kept: paired organs of patients mirrored left to right keep their names (`ModelInput.mirrored`), so that a
            network can learn what planners do to an organ of one name only.
        upside_down: probability of mirroring a patient in an axial plane, head to feet.
        quarter_turns: probability of turning a patient and its beams by one, two or three quarters about the long axis,
            which interpolates nothing.
        curve_weight, criteria_weight: of the two DVH terms beside the dose error (`losses.dvh_errors_gy`).
        validate_every, checkpoint_every: steps.
        patience: the run ends early when so many validations in a row bring no better score, and leaves the weights of
            the best validation, even when it reaches its last step; 0 for never, and the last weights.
        validation_cases: how many validation cases each validation looks at; 0 for all.
        seed: of every random draw.
        threads: processor threads; 0 leaves PyTorch's choice.
        workers: threads that augment patients ahead of the network.
        device: "auto", "cpu", "cuda" ...
        devices, strategy: how many of them, and how Lightning Fabric uses them together ("ddp").
        compile: compile the network (pays on a GPU, with a canvas).
        companions: weights files that draw every other sample together with the finished weights: an ensemble.
        weight_bits: of the finished weights' file, 16 or 8 (`inference.eight_bits`).
    """

    train: str
    validation: str
    output: str
    cache: str | None = None
    system: str = "default"
    system_config: dict[str, object] = field(default_factory=dict)
    stage: str = "dose"
    from_weights: str | None = None
    steps: int = 10000
    decay_steps: int = 2500
    batch: int = 1
    canvas: tuple[int, int, int] | None = None
    low_rank: int = 0
    post_training: dict[str, object] = field(default_factory=dict)
    slices: int = 16
    patches: int = 12
    mixup: float = 0.0
    mixed_batches: float = 0.5
    clinical_weight: float = 0.5
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    cosine_to: float | None = None
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    ema: float = 0.999
    turn_probability: float = 0.5
    turn_degrees: float = 15.0
    beam_turn_share: float = 0.2
    resize: float = 0.1
    stretch_probability: float = 0.0
    stretch: float = 0.08
    coarse_steps: int = 0
    unturned_steps: int = 0
    names_kept: bool = False
    upside_down: float = 0.0
    quarter_turns: float = 0.0
    curve_weight: float = 0.25
    criteria_weight: float = 0.1
    validate_every: int = 1000
    checkpoint_every: int = 250
    patience: int = 0
    validation_cases: int = 10
    seed: int = 0
    threads: int = 0
    workers: int = 1
    device: str = "auto"
    devices: int = 1
    strategy: str = "auto"
    compile: bool = False
    companions: tuple[str, ...] = ()
    weight_bits: int = 16

    def __post_init__(self) -> None:
        if not isinstance(self.companions, list | tuple) or not all(isinstance(one, str) for one in self.companions):
            raise InputError(f"The training configuration's companions is {self.companions!r}; give a list of files.")
        if isinstance(self.canvas, list):
            object.__setattr__(self, "canvas", tuple(self.canvas))  # a list in JSON
        check_fields(self)
        check_canvas_sizes(self.canvas)
        if self.weight_bits not in (8, 16):
            raise InputError(f"The finished weights can have 8 or 16 bits, not {self.weight_bits}; mend weight_bits.")
        object.__setattr__(self, "companions", tuple(self.companions))

    @classmethod
    def read(cls, path: str | Path) -> TrainingConfig:
        """The configuration in a JSON file.

        Raises:
            InputError: the file is missing, isn't JSON, or has unknown or missing fields.
        """
        values = read_json(path, "a training configuration")
        try:
            return cls(**values)
        except TypeError as error:
            raise InputError(
                f"The training configuration {path} has a field that is missing or unknown: {error}."
            ) from error

    def learning_rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        if self.cosine_to is not None:
            fallen = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, self.steps))))
            return warm * (self.cosine_to + (self.learning_rate - self.cosine_to) * fallen)
        left = (self.steps - step) / max(1, self.decay_steps)
        return self.learning_rate * warm * min(1.0, max(0.0, left))
