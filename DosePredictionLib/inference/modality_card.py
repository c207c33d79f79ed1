"""What a person should know of weights that restore other modalities than the dose."""

from __future__ import annotations

from DosePredictionLib.inference.model_card import seen_in_training, voxel_size_limit, went_on_from
from DosePredictionLib.inference.weights_header import WeightsHeader


def modality_card(header: WeightsHeader) -> str:
    """The model card as Markdown, from the header of a weights file of the stage any-to-any."""
    training, validation = header.training, header.validation
    figures = validation.get("figures", {})
    assert isinstance(figures, dict)
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in figures.items())
    return f"""# Model card: {header.system}, other modalities than the dose

**Research use, not for clinical decisions.**

## Intended use
`dose-predict predict CASE --system {header.system} --target ct` (ptv, oar, body, beam, angle likewise): what a modality
of a head-and-neck patient looks like on average, given the others. **What it makes up is nobody's anatomy.** No dose
may be computed on such a CT, and nobody may be treated by such contours.

## Training
- Data: {training.get("data", "")}
- {training.get("steps", "?")} steps of batch {training.get("batch", "?")}, {training.get("hours", "?")} hours on \
{training.get("hardware", "?")}, optimiser {training.get("optimiser", "adamw")}, seed {training.get("seed", "?")}
- Source: commit {header.commit or "unknown"}{went_on_from(header)}

## Validation
{validation.get("patients", "?")} patients ({validation.get("dataset", "?")}) with a CT{seen_in_training(header)}; \
the mean of {validation.get("samples", "?")} samples of {validation.get("steps", "?")} steps, seed \
{validation.get("seed", "?")}, without the dose.

| figure, mean over the patients | |
| --- | --- |
{rows}

## Limits
- A mean of samples is blurred: bone is too soft, airways are too dense. A single sample of many steps has a grain that
  is made up.
- Organs that are asked for come out empty where no voxel is more likely an organ than not.
{voxel_size_limit(header)}"""
