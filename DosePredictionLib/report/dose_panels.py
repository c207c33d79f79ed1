"""Figures for papers: doses of several systems beside the reference, and their dose-volume histograms.

As figures 4 to 7 of ADDiff-Dose (Xie et al., arXiv 2508.02043): a column a system; rows of reference, prediction and
reference minus prediction with colour bars; and a chart a system, solid for the reference and dashed for the
prediction. The paper draws them so; reports, comparisons and Slicer's chart draw the prediction solid, and prediction
minus reference. The pictures therefore say themselves which is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.plane import Orientation, Plane
from DosePredictionLib.report.structure_colours import structure_colours
from DosePredictionLib.report.views import central_point, planes_through
from DosePredictionLib.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Resolution of the pictures.
DOTS_PER_INCH = 200
#: The difference's colours end at this part of the prescription.
LARGEST_DIFFERENCE = 0.2
#: Mean differences are told of where the reference has at least this part of its maximum.
LEAST_OF_MAXIMUM = 0.1


def draw_dose_panels(
    patient: Patient,
    doses: Sequence[NamedDose],
    path: str | Path,
    orientation: Orientation = Orientation.AXIAL,
) -> None:
    """Draw rows of reference, prediction and difference through the targets' centre; a column a dose.

    Args:
        patient: with its reference dose.
        doses: the predictions.
        path: of the picture, PNG, PDF or SVG by its name.
        orientation: of the plane.

    Raises:
        InputError: there is no reference dose or no matplotlib, or the file can't be written.
    """
    reference = _reference(patient)
    _, point = central_point(patient)
    planes = planes_through(point, patient, reference, 0.1 * float(reference.array.max()))
    plane = next(one for one in planes if one.orientation is orientation)
    expected = plane.sample(reference)
    threshold_gy = LEAST_OF_MAXIMUM * float(reference.array.max())  # the same whatever other doses are drawn
    highest = float(max(reference.array.max(), *(dose.dose.array.max() for dose in doses)))
    limit = LARGEST_DIFFERENCE * (patient.prescription_gy or highest)
    figure = _figure(2.2 * len(doses) + 1.4, 2.2 * 3 * plane.height_mm / plane.width_mm + 0.9)
    grid = figure.subplots(3, len(doses), squeeze=False)
    shown: list[Any] = []
    for column, dose in enumerate(doses):
        predicted = plane.sample(dose.dose)
        images = (
            (expected, "jet", 0.0, highest), (predicted, "jet", 0.0, highest),
            (expected - predicted, "RdBu_r", -limit, limit),
        )  # fmt: skip
        for row, (image, colours, low, high) in enumerate(images):
            axes = grid[row][column]
            drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="bilinear")
            axes.set_xticks([])
            axes.set_yticks([])
            ink = "white" if row < 2 else "black"
            _outline(axes, patient, plane, ink)
            _draw_letters(axes, plane, ink)
            if column == 0:
                axes.set_ylabel(("Reference", "Prediction", "Reference - prediction")[row], fontsize=8)
            if column == len(doses) - 1:
                shown.append(drawn)
        error = np.abs(expected - predicted)[expected >= threshold_gy]
        grid[0][column].set_title(dose.name, fontsize=9)
        if error.size:
            grid[2][column].set_xlabel(
                f"mean |difference| {error.mean():.2f} Gy in this slice,\n"
                f"where the reference has {threshold_gy:.1f} Gy or more",
                fontsize=7,
            )
    for row, drawn in enumerate(shown):
        # The doses' colours reach to the highest dose; larger differences than the last row's colours may lie beyond.
        beyond, meaning = ("neither", "Gy") if row < 2 else ("both", "Gy, red: reference higher")
        bar = figure.colorbar(drawn, ax=list(grid[row]), fraction=0.05, pad=0.02, extend=beyond)
        bar.set_label(meaning, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    _save(figure, path)


def draw_dvh_panels(patient: Patient, doses: Sequence[NamedDose], path: str | Path) -> None:
    """Draw a chart a dose: solid lines of the reference, dashed ones of the prediction.

    Args:
        patient: with its reference dose; targets and organs are drawn.
        doses: the predictions.
        path: of the picture, PNG, PDF or SVG by its name.

    Raises:
        InputError: there is no reference dose or no matplotlib, or the file can't be written.
    """
    reference = _reference(patient)
    structures = _drawn_structures(patient)
    colours = structure_colours(patient.structures)
    columns = min(3, len(doses))
    rows = -(-len(doses) // columns)
    figure = _figure(3.6 * columns, 2.9 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    last_gy = 5.0 * np.ceil(max(float(reference.array.max()), patient.prescription_gy) * 1.05 / 5.0)
    points = np.arange(0.0, last_gy, 0.1)
    clinical = {one.name: compute_dvh(reference, one) for one in structures}
    for place, axes in enumerate(grid.flat):
        if place >= len(doses):
            axes.set_visible(False)
            continue
        dose = doses[place]
        for one in structures:
            colour = colours[one.name]
            axes.plot(points, clinical[one.name].cumulative_percent(points)[1], "-", color=colour, linewidth=1.1,
                      label=one.label if place == 0 else None)  # fmt: skip
            predicted = compute_dvh(dose.dose, one).cumulative_percent(points)[1]
            axes.plot(points, predicted, "--", color=colour, linewidth=1.1)
        axes.set_title(dose.name, fontsize=9)
        axes.set_xlim(0, last_gy)
        axes.set_ylim(0, 101)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=7)
        if place % columns == 0:
            axes.set_ylabel("Volume (%)", fontsize=8)
        if place // columns == rows - 1:
            axes.set_xlabel("Dose (Gy)", fontsize=8)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7, title="solid: reference\ndashed: prediction",
                  title_fontsize=7)  # fmt: skip
    _save(figure, path)


def _reference(patient: Patient) -> Volume:
    if patient.reference_dose is None:
        raise InputError(f"{patient.identifier} has no reference dose to draw predictions against.")
    return patient.reference_dose


def _drawn_structures(patient: Patient) -> list[Structure]:
    organs = [s for s in patient.structures if s.role is StructureRole.OAR]
    return [s for s in (*patient.targets, *organs) if s.mask.array.any()]


def _outline(axes: Any, patient: Patient, plane: Plane, colour: str) -> None:
    """The targets' outlines, and the body's where it is known."""
    for structure in (*patient.targets, *patient.with_role(StructureRole.EXTERNAL)):
        inside = plane.sample(Volume((structure.mask.array != 0).astype(np.float32), structure.mask.geometry))
        if inside.max() > 0.5 > inside.min():
            axes.contour(inside, levels=[0.5], colors=colour, linewidths=0.5)


def _draw_letters(axes: Any, plane: Plane, colour: str) -> None:
    """Letters at the edges: which way the patient lies."""
    places = ((0.05, 0.5), (0.95, 0.5), (0.5, 0.95), (0.5, 0.05))
    for letter, (x, y) in zip(plane.edge_letters, places, strict=True):
        axes.text(x, y, letter, color=colour, fontsize=6, ha="center", va="center", transform=axes.transAxes)


def _figure(width: float, height: float) -> Figure:
    try:
        # Not pyplot: it would look for a window system.
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise InputError(
            'Figures need matplotlib, which is not installed; install DosePrediction with its extra "train".'
        ) from error
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(rect=(0.0, 0.02, 1.0, 0.98)))
    figure.text(0.005, 0.002, INTENDED_USE, fontsize=5, color="grey")
    return figure


def _save(figure: Figure, path: str | Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=DOTS_PER_INCH, format=Path(path).suffix.lstrip(".") or "png")
