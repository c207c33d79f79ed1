"""Pictures of the scene: the dose in its colours where it is, contours, legend, curves, and nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import slicer
from DosePredictionScene.layout import ras_of_lps
from DosePredictionScene.offscreen import render_window
from DosePredictionScene.offscreen.caption_picture import LINE_HEIGHT, Words, caption_picture
from DosePredictionScene.offscreen.chart_picture import chart_picture
from DosePredictionScene.offscreen.png_file import write_png
from DosePredictionScene.offscreen.slice_picture import SliceShot, slice_picture
from DosePredictionScene.offscreen.views_picture import GAP, PIXELS, slice_shots, views_picture
from DosePredictionScene.scene_result import dose_centre
from phantom_scene import scene_nodes, shown_phantom

from DosePredictionLib.errors import InputError

SIZE = 240


@pytest.fixture
def phantom():
    ct, segmentation, prediction, shown = shown_phantom()
    segmentation.GetDisplayNode().SetOpacity2DFill(0.0)
    ct.GetDisplayNode().AutoWindowLevelOff()
    ct.GetDisplayNode().SetWindowLevel(400.0, 40.0)
    centre = ras_of_lps(dose_centre(prediction.patient, prediction.dose))
    return ct, segmentation, prediction, shown, centre


def draw(phantom, orientation="Axial", opacity=0.5, field_of_view=200.0, legend=False) -> np.ndarray:
    ct, _, _, shown, centre = phantom
    shot = SliceShot(orientation, centre, field_of_view, (shown.dose,) if legend else ())
    return slice_picture(shot, ct, shown.dose, opacity, SIZE).astype(int)


def pixel_at(picture: np.ndarray, right_mm: float, up_mm: float, field_of_view: float = 200.0) -> np.ndarray:
    """Mean colour around a place right of and above the middle of the picture."""
    scale = SIZE / field_of_view
    row, column = int(SIZE / 2 - up_mm * scale), int(SIZE / 2 + right_mm * scale)
    return picture[row - 2 : row + 3, column - 2 : column + 3].reshape(-1, 3).mean(axis=0)


@pytest.mark.parametrize("orientation", ["Axial", "Coronal", "Sagittal"])
def test_the_dose_has_its_colours_where_it_is(phantom, orientation: str) -> None:
    picture = draw(phantom, orientation)
    plain = draw(phantom, orientation, opacity=0.0)
    # 3 mm from the centre the dose is 72 Gy, 103 % of the prescription: red. Water alone is grey.
    red, green, blue = pixel_at(picture, 3.0, 3.0)
    assert red > green + 60 and red > blue + 40
    assert np.ptp(pixel_at(plain, 3.0, 3.0)) < 6
    # At 50 mm it is 36 Gy, half of the prescription: cyan.
    along = (-50.0, 0.0) if orientation != "Coronal" else (0.0, 46.0)
    red, green, blue = pixel_at(picture, *along)
    assert blue > red + 50 and green > red + 40


def test_clear_outside_the_body_of_the_dose(phantom) -> None:
    picture, plain = draw(phantom), draw(phantom, opacity=0.0)
    # 95 mm away, diagonally, the dose is under 7 Gy and there is air: no colour, black.
    assert np.all(pixel_at(picture, 90.0, 90.0) == pixel_at(plain, 90.0, 90.0))
    assert pixel_at(picture, 90.0, 90.0).max() < 10


def test_contours_have_their_segments_colours(phantom) -> None:
    _, segmentation, _, shown, _ = phantom
    shown.isodoses.GetDisplayNode().SetVisibility(False)
    body = segmentation.GetSegmentation()
    body.GetSegment(body.GetSegmentIdBySegmentName("PTV70")).SetColor(1.0, 1.0, 1.0)
    body.GetSegment(body.GetSegmentIdBySegmentName("BODY")).SetColor(0.0, 0.0, 1.0)
    # Colours that nobody chose follow from how many segments there were before, in other tests too.
    body.GetSegment(body.GetSegmentIdBySegmentName("SpinalCord")).SetColor(1.0, 0.0, 0.0)
    picture = draw(phantom, opacity=0.0)
    white = (picture.min(axis=2) > 230).nonzero()
    reach = np.hypot(white[0] - SIZE / 2, white[1] - SIZE / 2) * 200.0 / SIZE
    reach = reach[reach < 85.0]  # the letters stand at the edges, which are 100 mm away
    assert len(reach) > 100
    # The target is a cylinder of 25 mm; its voxels' edges reach 3 mm further.
    assert 21.0 < reach.min() and reach.max() < 29.0
    blue = (picture[..., 2] > picture[..., 0] + 150).nonzero()
    reach = np.hypot(blue[0] - SIZE / 2, blue[1] - SIZE / 2) * 200.0 / SIZE
    assert len(reach) > 300 and 71.0 < reach.min() and reach.max() < 80.0


def test_the_legend_is_drawn_where_it_is_asked_for(phantom) -> None:
    without, with_legend = draw(phantom, opacity=0.0), draw(phantom, opacity=0.0, legend=True)
    changed = np.argwhere(np.abs(without - with_legend).sum(axis=2) > 30)
    assert len(changed) > 300
    assert changed[:, 1].min() > 0.6 * SIZE, "the legend stands at the right"
    bar = with_legend[:, int(0.93 * SIZE) :]
    hues = {tuple(colour) for colour in (bar.reshape(-1, 3) // 64)}
    assert len(hues) >= 8, "the bar runs through the colours of the dose"


def test_isodose_lines_are_drawn(phantom) -> None:
    _, _, _, shown, _ = phantom
    with_lines = draw(phantom, opacity=0.0)
    shown.isodoses.GetDisplayNode().SetVisibility(False)
    without = draw(phantom, opacity=0.0)
    changed = np.argwhere(np.abs(with_lines - without).sum(axis=2) > 60)
    reach = np.hypot(*(changed - SIZE / 2).T) * 200.0 / SIZE
    # 35 Gy, half of the prescription, at 51 mm, and nothing between that and 49 Gy at 38 mm.
    assert np.sum((reach > 49.5) & (reach < 52.5)) > 80
    assert np.sum((reach > 41.0) & (reach < 48.0)) < 20


def test_drawing_leaves_the_scene_as_it_was(phantom) -> None:
    ct, segmentation, prediction, shown, _ = phantom
    nodes = scene_nodes()
    logics = slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems()
    views_picture(ct, segmentation, shown.dose, prediction)
    assert scene_nodes() == nodes
    assert slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems() == logics
    assert slicer.modules.colors.logic().GetColorLegendDisplayNode(shown.dose).GetVisibility()


def test_the_three_views_stand_side_by_side_with_key_and_caption(phantom) -> None:
    ct, segmentation, prediction, shown, _ = phantom
    picture = views_picture(ct, segmentation, shown.dose, prediction)
    assert picture.shape[1] == 3 * PIXELS + 2 * GAP
    assert PIXELS + 60 < picture.shape[0] < PIXELS + 200
    for view in range(3):
        middle = picture[PIXELS // 2 - 5 : PIXELS // 2 + 5, view * (PIXELS + GAP) + PIXELS // 2 :][:, :10].astype(int)
        assert middle[..., 0].mean() > middle[..., 1].mean() + 40, "the hottest place is in the middle"
    strip = picture[PIXELS:]
    assert (strip.min(axis=2) > 200).sum() > 1000, "white words"
    for segment in ("BODY", "PTV70", "SpinalCord"):
        body = segmentation.GetSegmentation()
        colour = np.array(body.GetSegment(body.GetSegmentIdBySegmentName(segment)).GetColor()) * 255
        assert (np.abs(strip - colour).max(axis=2) <= 2).sum() > 300, f"{segment} has no swatch"


def test_each_view_frames_the_dose_in_it(phantom) -> None:
    _, _, prediction, shown, centre = phantom
    for shot in slice_shots(prediction, shown.dose):
        assert np.allclose(shot.centre_ras, centre, atol=8.0)
        # 20 % of the prescription is reached 77 mm from the centre.
        assert 2 * 60.0 < shot.field_of_view_mm < 2 * (77.0 + 30.0)


def test_curves_are_drawn_in_their_colours(phantom) -> None:
    _, _, _, shown, _ = phantom
    picture = chart_picture(shown.chart, 600, 400).astype(int)
    assert picture.shape == (400, 600, 3)
    assert (picture.min(axis=2) > 250).mean() > 0.6, "on white"
    for index in range(shown.chart.GetNumberOfPlotSeriesNodes()):
        colour = np.array(shown.chart.GetNthPlotSeriesNode(index).GetColor()) * 255
        assert (np.abs(picture - colour).max(axis=2) < 40).sum() > 100


def test_words_that_do_not_fit_go_to_the_next_line() -> None:
    words = [Words(f"Structure number {i}", (1.0, 0.0, 0.0), swatch=True) for i in range(12)]
    wide, narrow = caption_picture(3000, [words]), caption_picture(600, [words])
    assert narrow.shape[0] > wide.shape[0] + 3 * LINE_HEIGHT
    assert narrow[:, -10:].max() == 0, "no word runs over the edge"
    red = (narrow[..., 0] > 240) & (narrow[..., 1] < 10)
    assert red.sum() == pytest.approx(12 * 22 * 22, rel=0.1)


@pytest.mark.parametrize("installed", ["", "libEGL.so.1"])
def test_a_machine_that_cannot_draw_is_told_what_to_install(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoDriver:
        """What VTK falls back to where EGL is installed without a driver."""

        def GetClassName(self) -> str:
            return "vtkOSOpenGLRenderWindow"

    monkeypatch.delenv(render_window.BACKEND_VARIABLE, raising=False)
    monkeypatch.setattr(render_window.sys, "platform", "linux")
    monkeypatch.setattr(render_window, "_any_loads", lambda libraries: installed in libraries)
    monkeypatch.setattr(render_window.vtk, "vtkRenderWindow", NoDriver)
    with pytest.raises(InputError, match="apt-get install libegl1 libgl1-mesa-dri"):
        render_window.require_drawing()


def test_a_picture_is_written_as_it_is(tmp_path) -> None:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    picture = np.zeros((4, 6, 3), np.uint8)
    picture[0, 0] = (255, 0, 0)
    picture[3, 5] = (0, 0, 255)
    write_png(picture, tmp_path / "x.png")
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(tmp_path / "x.png"))
    reader.Update()
    back = vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars()).reshape(4, 6, 3)[::-1]
    assert np.array_equal(back, picture)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_picture_is_written_into_a_folder_with_a_latin_1_name(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode("Grün".encode("latin-1"))
    write_png(np.zeros((3, 4, 3), np.uint8), folder / "views.png")
    content = (folder / "views.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and content[16:24] == bytes([0, 0, 0, 4, 0, 0, 0, 3]), "4 wide, 3 high"
    assert os.listdir(tmp_path) == [folder.name] and os.listdir(folder) == ["views.png"]
