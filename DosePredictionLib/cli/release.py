"""``release``: weights with their validation figures and a model card."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError


def add_parser(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "release",
        help="put validation figures and a model card to trained weights",
        description="Copies WEIGHTS to OUT with the figures of SUMMARY (summary.json from evaluate, run with these "
        "very weights) in its header, and writes the model card beside it.",
    )
    parser.add_argument("weights", type=Path, metavar="WEIGHTS")
    parser.add_argument("--summary", type=Path, required=True, metavar="SUMMARY", help="summary.json of evaluate")
    parser.add_argument("--data", required=True, help="one sentence: what the weights were trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the released .safetensors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out."""
    from DosePredictionLib.inference.model_card import model_card
    from DosePredictionLib.inference.weights import load_weights, save_weights
    from DosePredictionLib.whole_file import whole_file

    loaded = load_weights(arguments.weights)
    try:
        summary = json.loads(arguments.summary.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"Cannot read {arguments.summary}: {error}; give evaluate's summary.json.") from error
    if summary.get("weights_sha256") != loaded.sha256:
        raise InputError(
            f"{arguments.summary} was made with other weights than {arguments.weights}; evaluate these weights."
        )
    header = replace(
        loaded.header,
        training={**loaded.header.training, "data": arguments.data},
        validation={key: value for key, value in summary.items()
                    if not key.startswith("weights") and key not in ("uncertainty", "uncertainty_said")},
        uncertainty=summary.get("uncertainty", {}),
        recommended={"samples": summary["samples"], "steps": summary["steps"]},
    )  # fmt: skip
    save_weights(loaded.network.state_dict(), header, arguments.output)
    card = arguments.output.with_suffix(".md")
    with whole_file(card) as path:
        path.write_text(model_card(header), encoding="utf-8")
    print(f"{arguments.output} and {card}")
    return 0
