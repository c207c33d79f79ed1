"""What a person should know of a dose calibration before using it."""

from __future__ import annotations

from collections.abc import Mapping

from DosePredictionLib.inference.model_card import seen_in_training
from DosePredictionLib.inference.weights_header import WeightsHeader

_NONE = float("nan")
_AND_PREDICTED = ", and what the system's weights predict for them"


def calibration_card(header: WeightsHeader) -> str:
    """The model card of an Adaptive Dose Calibration as Markdown, from the header of its weights file."""
    training, validation = header.training, header.validation
    after = header.config.get("after", "?")

    def row(name: str, figures: object, key: str) -> str:
        assert isinstance(figures, Mapping)
        without, with_it = (figures.get(f"{key}{ending}_gy", _NONE) for ending in ("_uncalibrated", ""))
        return f"| {name} | {without:.3f} | {with_it:.3f} |"

    everything = validation.get("all_structures", {})
    structures = validation.get("structures", {})
    assert isinstance(structures, Mapping)
    rows = [row("all, mean absolute error", everything, "mae"), row("all, DVH criteria", everything, "criteria")]
    rows += [row(f"{name}, mean absolute error", figures, "mae") for name, figures in structures.items()]
    table = "\n".join(rows)
    trained = (
        f"{training.get('steps', '?')} steps of batch {training.get('batch', '?')}, {training.get('hours', '?')} hours "
        f"on {training.get('hardware', '?')}, seed {training.get('seed', '?')}"
    )
    validated = (
        f"{validation.get('patients', '?')} patients ({validation.get('dataset', '?')}){seen_in_training(header)}; "
        f"samples: {validation.get('samples', '?')}, denoising steps a sample: {validation.get('steps', '?')}, "
        f"seed {validation.get('seed', '?')}."
    )
    return f"""# Model card: Adaptive Dose Calibration for {after}

**Research use, not for clinical decisions.**

## Intended use
Refines doses that the system `{after}` predicted, inside targets and organs only (`--calibrate`). It belongs to that
system's weights and to the patients that they are for.

## Training
- Data: {str(training.get("data", "")).removesuffix(_AND_PREDICTED)}{_AND_PREDICTED}
- {trained}
- Source: commit {header.commit or "unknown"}

## Validation
{validated}

| mean over structures, Gy (lower is better) | without | with calibration |
| --- | --- | --- |
{table}

## Limits
- It was trained on predictions for patients that the system itself had been trained on, which are better than those for
  new patients.
- The standard deviation is told from the samples' spread before this calibration, by a table that was measured without
  it.
"""
