"""The picture of a prediction: axial, coronal and sagittal slices side by side, with a key and a caption."""

from __future__ import annotations

from typing import Any

import numpy as np

from DosePredictionLib.intended_use import INTENDED_USE
from DosePredictionLib.worker.predictor import Prediction
from DosePredictionScene.headless_application import is_headless_application
from DosePredictionScene.layout import DOSE_OPACITY, ras_of_lps
from DosePredictionScene.offscreen.caption_picture import Words, caption_picture
from DosePredictionScene.offscreen.slice_picture import SliceShot, slice_picture
from DosePredictionScene.scene_result import dose_centre

#: The direction across each slice in LPS: x, y or z.
ORIENTATIONS = {"Axial": 2, "Coronal": 1, "Sagittal": 0}
PIXELS = 800
GAP = 4
#: The pictures show where the dose is at least this part of the prescription, and a margin around it.
SHOWN_PART_OF_PRESCRIPTION = 0.2
MARGIN_MM = 20.0
#: Doses so far from a slice count for its frame.
SLAB_MM = 6.0
WARNING, GREY = (1.0, 0.8, 0.2), (0.6, 0.6, 0.6)


def views_picture(ct_node: Any, segmentation_node: Any, dose_node: Any, prediction: Prediction) -> np.ndarray:
    """Draw a prediction that is shown in the scene, through the dose-weighted centre of its highest target.

    Returns:
        (height, width, 3) uint8.
    """
    views = [
        slice_picture(shot, ct_node, dose_node, DOSE_OPACITY, PIXELS) for shot in slice_shots(prediction, dose_node)
    ]
    gap = np.zeros((PIXELS, GAP, 3), np.uint8)
    row = np.concatenate([part for view in views for part in (view, gap)][:-1], axis=1)
    return np.concatenate([row, caption_picture(row.shape[1], _lines(segmentation_node, prediction))], axis=0)


def slice_shots(prediction: Prediction, dose_node: Any) -> list[SliceShot]:
    """An axial, a coronal and a sagittal slice through the highest target, each framing the dose in it.

    The last of them has the legend.
    """
    dose = prediction.dose
    centre = dose_centre(prediction.patient, dose)
    # Every few millimetres will do for a frame.
    x, y, z = (max(1, int(SLAB_MM // spacing)) for spacing in dose.geometry.spacing_mm)
    threshold_gy = SHOWN_PART_OF_PRESCRIPTION * prediction.patient.prescription_gy
    shown = np.argwhere(dose.array[::z, ::y, ::x] >= threshold_gy) * (z, y, x)
    points = dose.geometry.lps_of_index(shown.astype(float))
    shots = []
    for orientation, normal in ORIENTATIONS.items():
        near = points[np.abs(points[:, normal] - centre[normal]) <= SLAB_MM]
        if len(near) == 0:  # a dose too low to show: its whole grid, then
            near = dose.geometry.lps_of_index(np.array([[0, 0, 0], dose.array.shape], dtype=float))
        low, high = near.min(axis=0), near.max(axis=0)
        middle = (low + high) / 2.0
        middle[normal] = centre[normal]
        across = np.delete(high - low, normal).max()
        legend_of = (dose_node,) if orientation == "Sagittal" else ()
        shots.append(SliceShot(orientation, ras_of_lps(middle), float(across + 2.0 * MARGIN_MM), legend_of))
    return shots


def _lines(segmentation_node: Any, prediction: Prediction) -> list[list[Words]]:
    segmentation, display = segmentation_node.GetSegmentation(), segmentation_node.GetDisplayNode()
    key = [
        Words(segmentation.GetSegment(i).GetName(), tuple(segmentation.GetSegment(i).GetColor()), swatch=True)
        for i in segmentation.GetSegmentIDs()
        if display.GetSegmentVisibility(i)
    ]
    provenance = prediction.provenance
    samples = "1 sample" if provenance.samples == 1 else f"{provenance.samples} samples"
    highest_gy = float(prediction.dose.array.max())
    renderer = "slicer-core" if is_headless_application() else "Slicer"
    caption = [
        Words(f"{prediction.patient.identifier}:"),
        Words(f'dose predicted by system "{provenance.system}", {samples};'),
        Words(f"prescription {prediction.patient.prescription_gy:g} Gy, maximum {highest_gy:.1f} Gy."),
        Words(INTENDED_USE, WARNING),
        Words(f"Rendered by {renderer}.", GREY),
    ]
    return [key, caption]
