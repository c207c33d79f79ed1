"""A picture of a slice says which way the patient lies in it: letters at its edges, on the sides they name."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from DosePredictionScene.layout import ras_of_lps
from DosePredictionScene.offscreen.edge_letters import letter_actors
from DosePredictionScene.offscreen.slice_picture import SliceShot, slice_picture
from DosePredictionScene.scene_result import dose_centre
from phantom_scene import shown_phantom

SIZE, STRIP = 480, 34


def read_letter(strip: np.ndarray) -> str:
    """The one white letter of R, L, A, P, S and I in a part of a picture, told from its strokes."""
    rows, columns = np.nonzero(strip.min(axis=2) > 160)
    ink = np.zeros((np.ptp(rows) + 1, np.ptp(columns) + 1), bool)
    ink[rows - rows.min(), columns - columns.min()] = True
    height, width = ink.shape
    if width < height / 3:
        return "I"
    third, top = width // 3, ink[: height // 4]
    if not top[:, :third].any() and not top[:, -third:].any():
        return "A"
    if not ink[: height // 2, -third:].any():
        return "L"
    if not ink[-height // 4 :, -third:].any():
        return "P"
    return "R" if ink[:, :third].any(axis=1).all() else "S"


@pytest.mark.parametrize("legend", [False, True])
@pytest.mark.parametrize(
    ("orientation", "bright_axis", "letters"), [("Axial", 0, "RLAP"), ("Coronal", 0, "RLSI"), ("Sagittal", 1, "APSI")]
)
def test_the_letters_name_the_sides_that_the_patient_shows(
    orientation: str, bright_axis: int, letters: str, legend: bool
) -> None:
    """A CT that is brighter in the patient's left (posterior) half is brighter at the edge marked L (P)."""
    ct, segmentation, prediction, shown = shown_phantom()
    centre = ras_of_lps(dose_centre(prediction.patient, prediction.dose))
    array = slicer.util.arrayFromVolume(ct)
    k, j, i = np.indices(array.shape)
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    ras = np.stack([i, j, k, np.ones_like(i)], axis=-1) @ slicer.util.arrayFromVTKMatrix(matrix).T
    bright = ras[..., bright_axis] < centre[bright_axis]
    slicer.util.updateVolumeFromArray(ct, np.where(bright, 100, -60).astype(np.int16))
    ct.GetDisplayNode().AutoWindowLevelOff()
    ct.GetDisplayNode().SetWindowLevel(400.0, 100.0)  # greys, so that white is letters alone
    segmentation.GetDisplayNode().SetVisibility(False)
    shown.isodoses.GetDisplayNode().SetVisibility(False)
    shot = SliceShot(orientation, centre, 150.0, (shown.dose,) if legend else ())
    picture = slice_picture(shot, ct, shown.dose, 0.0, SIZE).astype(int)
    middle, side = slice(SIZE // 3, -SIZE // 3), slice(3 * SIZE // 4 + 30, SIZE - 40)
    left, right = picture[side, :STRIP], picture[side, -STRIP:]
    assert "".join(map(read_letter, (left, right, picture[:STRIP, middle], picture[-STRIP:, middle]))) == letters
    towards_left, towards_right = picture[middle, 60 : SIZE // 2 - 20], picture[middle, SIZE // 2 + 20 : -120]
    assert np.median(towards_right) > np.median(towards_left) + 60, "left (posterior) is at the right"


def test_the_letters_follow_the_way_a_slice_is_drawn() -> None:
    """Slicer can show the patient's left at the left: an axial slice whose right is RAS +x, its up anterior."""
    neurological = np.eye(4)
    assert "".join(actor.GetInput() for actor in letter_actors(neurological, SIZE)) == "LRAP"
    radiological = np.diag([-1.0, 1.0, 1.0, 1.0])
    assert "".join(actor.GetInput() for actor in letter_actors(radiological, SIZE)) == "RLAP"
