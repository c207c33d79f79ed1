"""``release``: weights with their validation figures and a model card."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json

if TYPE_CHECKING:
    from DosePredictionLib.inference.weights_header import WeightsHeader


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "release",
        help="put validation figures and a model card to trained weights",
        description="Copies WEIGHTS to OUT with the figures of SUMMARY (summary.json from evaluate, run with these "
        "very weights) in its header, and writes the model card beside it. WEIGHTS may be a dose calibration, or of "
        "the stage any-to-any, whose SUMMARY is of Testing/Benchmarks/other_modalities.py.",
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("--summary", type=Path, required=True, metavar="SUMMARY", help="summary.json of evaluate")
    parser.add_argument("--data", required=True, help="one sentence: what the weights were trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the released .safetensors")
    parser.set_defaults(run=run)


def _coverage_before(header: WeightsHeader, summary: dict[str, Any]) -> dict[str, Any]:
    """The coverage on patients left out of the calibration, where the calibration is the one from before."""
    kept = header.uncertainty and "uncertainty" not in summary and "coverage" in header.validation
    return {"coverage": header.validation["coverage"]} if kept else {}


def _check_calibrated_for(header: WeightsHeader, summary: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Refuse to hand a calibration of the uncertainty on as made for other samples or steps than it was.

    Raises:
        InputError: the weights keep theirs, and the summary is of other ones than they recommend.
    """
    if not header.uncertainty or "uncertainty" in summary:
        return
    made_for, given = ({key: one.get(key) for key in ("samples", "steps")} for one in (header.recommended, summary))
    if given != made_for:
        raise InputError(
            f"{arguments.summary} is of {_said(given)}, but the uncertainty of {arguments.weights} was calibrated for "
            f"{_said(made_for)}; evaluate these weights without --samples and --steps, or evaluate and release those "
            "from before the calibration."
        )


def _said(chosen: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in chosen.items())


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.inference.calibration import is_calibration
    from DosePredictionLib.inference.calibration_card import calibration_card
    from DosePredictionLib.inference.modality_card import modality_card
    from DosePredictionLib.inference.model_card import model_card
    from DosePredictionLib.inference.weights import read_weights, save_weights
    from DosePredictionLib.whole_file import whole_file

    if arguments.output.suffix != ".safetensors":
        # The card's name differs from it in the suffix alone.
        raise InputError(f"{arguments.output} is no name of weights; give one that ends in .safetensors with -o.")
    file = read_weights(arguments.weights)
    calibrates = is_calibration(file.header)
    summary = read_json(arguments.summary, "evaluate's summary")
    if not isinstance(summary, dict):
        raise InputError(f"{arguments.summary} is no summary; give evaluate's summary.json.")
    if summary.get("dose_calibration_sha256" if calibrates else "weights_sha256") != file.sha256:
        raise InputError(
            f"{arguments.summary} was made with other weights than {arguments.weights}; evaluate these weights."
        )
    if summary.get("dose_calibration") and not calibrates:
        raise InputError(
            f"{arguments.summary} is of doses that {summary['dose_calibration']} calibrated, not of what these weights "
            "say by themselves; evaluate them without --calibrate."
        )
    _check_calibrated_for(file.header, summary, arguments)
    header = replace(
        file.header,
        training={**file.header.training, "data": arguments.data},
        validation={key: value for key, value in summary.items()
                    if not key.startswith("weights") and key not in ("uncertainty", "uncertainty_said")}
                   | _coverage_before(file.header, summary),
        uncertainty=summary.get("uncertainty", file.header.uncertainty),
        recommended={"samples": summary["samples"], "steps": summary["steps"]},
    )  # fmt: skip
    save_weights(file.state, header, arguments.output, file.bits)
    card = arguments.output.with_suffix(".md")
    written = calibration_card if calibrates else modality_card if "target" in summary else model_card
    with whole_file(card) as path:
        path.write_text(written(header), encoding="utf-8")
    print(f"{arguments.output} and {card}")
    return 0
