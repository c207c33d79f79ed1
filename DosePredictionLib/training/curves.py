"""Loss and validation curves to look at."""

from __future__ import annotations

from pathlib import Path

from DosePredictionLib.training.curve_lines import CURVES, curve_records


def draw_curves(output: Path) -> Path | None:
    """Draw a run's curves into ``curves.png``; None when there are none yet, or matplotlib (extra "train") isn't there.

    Args:
        output: the run's output folder.
    """
    if not (output / CURVES).exists():  # stopped before anything was noted
        return None
    try:
        # Not pyplot: it would look for a window system.
        from matplotlib.figure import Figure
    except ImportError:
        return None
    records = curve_records(output / CURVES)
    figure = Figure(figsize=(8, 4.5))
    axes = figure.subplots()
    # What is logged in Gy, in the order in which it first appears: each stage has its own terms.
    for key in dict.fromkeys(key for record in records for key in record if key.endswith("_gy")):
        points = [(record["hours"], record[key]) for record in records if record.get(key) is not None]
        if not points:
            continue
        style = "o-" if key.startswith("validation_") else "-"
        label = key.removesuffix("_gy").replace("_", " ")
        axes.plot(*zip(*points, strict=True), style, label=label, linewidth=1, markersize=4)
    axes.set_xlabel("hours of training")
    axes.set_ylabel("mean absolute dose error [Gy]")
    axes.set_ylim(0, 8)
    axes.grid(alpha=0.3)
    axes.legend()
    path = output / "curves.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return path
