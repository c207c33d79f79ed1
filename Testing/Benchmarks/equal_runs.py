"""Runs that a table compares: the repository's configurations, trained for equal steps on equal patients."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from DosePredictionLib.dosimetry.paired_tests import PairedTest

HERE = Path(__file__).resolve().parent
#: What a run began with, or its scores are of, beside its settings or its tables: later runs must have the same.
BEGAN = "began_with.json"


def add_run_options(parser: argparse.ArgumentParser, output: str) -> None:
    """Options of every such table.

    Args:
        parser: of the script.
        output: the folder to write to unless another is named.
    """
    parser.add_argument("--output", type=Path, default=Path(output))
    parser.add_argument("--train", default="openkbp/train")
    parser.add_argument("--validation", default="openkbp/validation")
    parser.add_argument("--cache", type=Path, help="folder of conditioned patients (default: cache in the output)")
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: PyTorch's choice)")


@dataclass(frozen=True)
class Change:
    """A row of a table of changes, one at a time.

    Attributes:
        name: of the run's folder.
        title: of the row.
        fields: of the configuration that differ.
        without: the default system's channels that are left out, by the beginnings of their names.
    """

    name: str
    title: str
    fields: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def all_fields(self) -> dict[str, Any]:
        """The fields that differ, the channels among them."""
        from DosePredictionLib.systems.default import DefaultSystem

        if not self.without:
            return self.fields
        kept = [name for name in DefaultSystem().channels if not name.startswith(self.without)]
        return with_changes(self.fields, {"system_config": {"channels": kept}})


def chosen_changes(
    changes: Sequence[Change],
    steps: int,
    output: str,
    description: str | None,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
) -> tuple[list[Change], argparse.Namespace]:
    """The rows that the command line asks for, the unchanged run first, and all it says.

    Args:
        changes: all there are, the unchanged run first.
        steps, output: unless others are named.
        description: of the script.
        add_options: adds those that are the script's own.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=steps, help=f"of every run (default: {steps})")
    parser.add_argument("--only", nargs="+", choices=[change.name for change in changes], metavar="NAME",
                        help="these changes, besides the unchanged run (default: all)")  # fmt: skip
    add_run_options(parser, output)
    add_options(parser)
    arguments = parser.parse_args()
    first, *others = changes
    return [first, *(one for one in others if arguments.only is None or one.name in arguments.only)], arguments


def with_changes(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with other fields; a ``system_config`` is changed field by field."""
    merged = {key: {**config.get(key, {}), **value} if isinstance(value, dict) else value
              for key, value in changes.items()}  # fmt: skip
    return {**config, **merged}


def configuration(
    name: str, steps: int, arguments: argparse.Namespace, output: Path, changes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A configuration of the repository for so many steps.

    Args:
        name: of the configuration.
        steps: of the optimiser; over the last 30 % the learning rate falls. The configuration's unturned last steps,
            which may be more than these, are left out.
        arguments: see `add_run_options`.
        output: folder of the run.
        changes: see `with_changes`.
    """
    config: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    config |= {"steps": steps, "decay_steps": int(0.3 * steps), "unturned_steps": 0, "output": str(output),
               "threads": arguments.threads, "train": arguments.train, "validation": arguments.validation,
               "cache": str(cache_of(arguments))}  # fmt: skip
    return with_changes(config, changes or {})


def cache_of(arguments: argparse.Namespace) -> Path:
    """The folder of conditioned patients."""
    return arguments.cache or arguments.output / "cache"


def trained(
    name: str,
    steps: int,
    arguments: argparse.Namespace,
    before: str | None = None,
    changes: Mapping[str, Any] | None = None,
    folder: str | None = None,
) -> Path:
    """The weights of a configuration, trained for so many steps; those that are there, if they are.

    Args:
        name, steps, arguments, changes: see `configuration`.
        before: name of the run whose weights it starts from.
        folder: of the run in the output; None for one with the configuration's name.

    Raises:
        SystemExit: the training ended with an error.
    """
    from DosePredictionLib.cli.main import main as command

    output: Path = arguments.output / (folder or name)
    weights = output / "weights.safetensors"
    config = configuration(name, steps, arguments, output, changes)
    if before is not None:
        config["from_weights"] = str(arguments.output / before / "weights.safetensors")
    keep_settings(output, config)
    if weights.exists():
        return weights
    print(f"--- {folder or name}", flush=True)
    if command(["train", str(output / "config.json")]):
        raise SystemExit(2)
    return weights


def keep_settings(output: Path, config: Mapping[str, Any]) -> None:
    """Write a run's settings, and what it begins with, into its folder, where those already there must be the same.

    Raises:
        SystemExit: the folder's run had others: a table of both would say what isn't so.
    """
    path = output / "config.json"
    own = {"output", "cache", "threads", "train", "validation", "from_weights"}  # of the computer
    if path.exists():
        before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(config))
        for name in sorted({*before, *now} - own):
            if before.get(name) != now.get(name):
                _refuse(output, f"whose {name} is {before.get(name)!r}, not {now.get(name)!r}")
    start = config.get("from_weights")
    began = {
        "weights to start from": None if start is None else _sha256(Path(start)),
        "training patients": _names(config["train"]),
        "validation patients": _names(config["validation"]),
    }
    other = _differing(output / BEGAN, began)
    if other:
        _refuse(output, f"of other {other}")
    output.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    (output / BEGAN).write_text(json.dumps(began, indent=2), encoding="utf-8")


def _refuse(output: Path, what: str) -> None:
    print(f"{output} holds a run {what}; take it away, or give another --output.", file=sys.stderr)
    raise SystemExit(2)


def _sha256(path: Path) -> str | None:
    """Of a file; None for a folder, or what isn't there."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _names(folder: str) -> list[str]:
    """What lies in a folder of patients; on another computer it may be another folder."""
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []


def _differing(path: Path, now: Mapping[str, Any]) -> str:
    """The first of these facts that a file has otherwise; empty when there are none, or no file."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else now
    return next((name for name in now if before.get(name) != now[name]), "")


def evaluated(weights: Path, arguments: argparse.Namespace, options: Sequence[str], table: str, folder: str) -> Path:
    """The folder, beside a run's weights, of its scores on the validation patients; what is there of these weights and
    patients is not done again.

    Args:
        weights: of the run.
        arguments: see `add_run_options`.
        options: of `evaluate`: samples, steps, scorecards.
        table: the last of the tables that `evaluate` writes.
        folder: its name.

    Raises:
        SystemExit: the evaluation ended with an error.
    """
    from DosePredictionLib.cli.main import main as command

    scores = weights.parent / folder
    began = {"weights": _sha256(weights), "patients": _names(arguments.validation)}
    if not (scores / table).exists() or _differing(scores / BEGAN, began):
        if command(["evaluate", arguments.validation, "--weights", str(weights), *options, "-o", str(scores)]):
            raise SystemExit(2)
        (scores / BEGAN).write_text(json.dumps(began, indent=2), encoding="utf-8")
    return scores


def write_table(heads: Sequence[str], rows: Sequence[Sequence[str]], note: str, output: Path) -> None:
    """Write table.csv and table.md, which ends with a note, and print the latter."""
    with open(output / "table.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([heads, *rows])
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    text = "\n".join(lines) + f"\n\n{note}\n"
    (output / "table.md").write_text(text, encoding="utf-8")
    print(text)


def paired_cells(scores: Path, other: Path | None, figures: Iterable[str]) -> list[str]:
    """Cells of a table: the means, and in brackets their differences from another run's and the paired t-test's p.

    Args:
        scores: an evaluation's folder.
        other: that of the run that it is held against; None for none.
        figures: as the paired tests call them.
    """
    from DosePredictionLib.dosimetry.paired_tests import paired_scores

    tests = {test.figure: test for test in paired_scores(scores, other or scores)}
    return [cell(tests[figure], other is not None) for figure in figures]


def cell(test: PairedTest, compared: bool) -> str:
    """The mean, and in brackets its difference from what it is compared with, and p."""
    return f"{test.mean_a:.3f}" + (f" ({test.mean_a - test.mean_b:+.3f}, p = {test.t_p:.2g})" if compared else "")
