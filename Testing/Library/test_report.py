"""The report: one file that needs nothing else, says what it must, and lets nothing through."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from phantom import AXIAL, ball, ball_patient, oblique_geometry, points_mm
from scipy.ndimage import map_coordinates

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.patient.beams import OPENKBP_BEAMS
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.report.contour_lines import contour_lines
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionLib.report.plane import Orientation, Plane
from DosePredictionLib.report.png import png_bytes
from DosePredictionLib.report.structure_colours import structure_colours
from DosePredictionLib.report.views import central_point, dose_wash, hottest_point
from DosePredictionLib.report.write import write_report
from DosePredictionLib.review.review_warning import ReviewWarning

NOTICE = "Research use, not for clinical decisions."
PROVENANCE = {
    "system": "default", "weights": "some.safetensors", "weights_sha256": "ab" * 32, "trained_on": "OpenKBP training",
    "patient": "ball", "samples": 4, "steps": 1, "seed": 7, "device": "cpu", "device_name": "two cores",
    "seconds": {"total": 1.25}, "versions": {"torch": "2.6"}, "warnings": ["The reader wondered."],
    "review": [{"id": "ct-metal", "text": "Metal.", "explanation": "Because.", "evidence": {"volume_cc": 9.5}}],
}  # fmt: skip
VOID = {"meta", "image", "br", "i", "path", "rect"}


def dose_gy(factor: float = 1.0) -> Volume:
    distance = np.linalg.norm(points_mm(AXIAL) - (8.0, -10.0, 4.0), axis=-1)
    return Volume((factor * 72.0 * np.exp(-((distance / 45.0) ** 2))).astype(np.float32), AXIAL)


class Page(HTMLParser):
    """Counts elements, keeps text and every address, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.handlers: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href", "srcset")]
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def patient() -> Patient:
    return replace(ball_patient(), reference_dose=dose_gy(0.95))


@pytest.fixture(scope="module")
def written(patient: Patient, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    std = Volume((0.02 * dose_gy().array).astype(np.float32), AXIAL)
    doses = [NamedDose("Predicted", dose_gy(), std, PROVENANCE)]
    write_report(path, patient, doses, bundled_goals("head-and-neck"), gamma_points=0)
    return path.read_text(encoding="utf-8")


def test_it_is_one_file_that_fetches_nothing_and_runs_nothing(written: str) -> None:
    page = Page(written)
    assert page.addresses and all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    assert page.handlers == [] and "@import" not in written and "url(" not in written
    assert not re.search(r"https?://", written)
    assert "default-src 'none'" in written


def test_it_says_research_use_at_the_top_and_on_every_printed_page(written: str) -> None:
    assert f'<div class="notice">{NOTICE}</div>' in written
    assert re.search(rf'<thead class="running">.*{re.escape(NOTICE)}', written)
    assert "display: table-header-group" in written and "@media print" in written


def test_it_says_who_predicted_what_with_which_weights(written: str) -> None:
    text = Page(written).text
    for words in ("some.safetensors", "ab" * 32, "OpenKBP training", "4, 1, 7", "two cores, cpu", "1.2 s", "torch 2.6"):
        assert words in text, words


def test_it_shows_inputs_and_what_structures_were_taken_for(written: str) -> None:
    text = Page(written).text
    assert "Parotid left Parotid_L organ at risk" in text and "PTV70 – target 70" in text
    assert "48 × 44 × 40 voxels of 4 × 4 × 3 mm" in text and "9 fields, gantry 0°, 40°" in text


def test_it_holds_views_curves_goals_comparison_uncertainty_and_warnings(written: str) -> None:
    page = Page(written)
    headings = re.findall(r"<h2>(.*?)</h2>", written)
    assert headings == [
        "Warnings", "Dose on the CT", "Dose-volume histograms", "Goals", "Dose by structure",
        "Comparison with Reference", "Uncertainty", "Inputs", "How it was predicted",
    ]  # fmt: skip
    # Predicted, reference, hottest point, difference, standard deviation; three planes each.
    assert written.count('class="view"') == 15 and written.count('class="colour-bar"') == 3
    assert len([name for name in ("Axial", "Coronal", "Sagittal") if page.words.count(name) == 5]) == 3
    curves = re.findall(r'<path d="M[^"]*" class="curve" stroke="(#\w+)"( stroke-dasharray="[^"]*")?', written)
    drawn = [colour for colour, _ in curves if colour != "#222"]
    assert len([1 for _, dashes in curves if dashes]) == 5 + 1, "the reference is dashed, in the legend too"
    assert len(drawn) == 10 and len(set(drawn)) == 5
    assert 'class="verdict fail"' in written and 'class="verdict pass"' in written
    assert "MAE to Reference" in page.text and "external contour (Body)" in page.text
    assert "Metal. Because. volume 9.5 cc" in page.text and "The reader wondered." in page.text
    assert "Standard deviation over 4 samples (Gy)" in page.text
    assert "Hottest point of Predicted: 71." in page.text


def test_the_mean_standard_deviation_is_given_by_structure(written: str) -> None:
    cord = ball_patient().structures[3].mask.array > 0
    mean = 0.02 * float(dose_gy().array[cord].mean())
    row = re.search(r"<tr><td>Cord</td><td class=number>([\d.]+)</td><td class=number>[\d.]+</td></tr>", written)
    assert row is not None and float(row.group(1)) == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize("worth", ["calibrated on 40 validation patients", "not calibrated: the spread of the samples"])
def test_a_calibrated_uncertainty_is_not_called_a_spread(patient: Patient, tmp_path: Path, worth: str) -> None:
    """Calibrated values are half-widths of 68 % intervals, as the note below the table says."""
    std = Volume((0.02 * dose_gy().array).astype(np.float32), AXIAL)
    doses = [NamedDose("Predicted", dose_gy(), std, {**PROVENANCE, "uncertainty": worth})]
    write_report(tmp_path / "report.html", patient, doses, gamma_points=0)
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    calibrated = worth.startswith("calibrated")
    assert ("Uncertainty, 68 % (Gy), calibrated" in text) == ("Mean uncertainty, Gy" in text) == calibrated
    assert ("tandard deviation" in text) == (not calibrated) and f"; {worth}. A small value" in text


def test_markup_in_names_stays_text(patient: Patient, tmp_path: Path) -> None:
    attack = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&'
    structures = [replace(s, name=f"{attack}{i}", standard_name=attack if i > 2 else None)
                  for i, s in enumerate(patient.structures)]  # fmt: skip
    hostile = replace(patient, structures=tuple(structures), identifier=attack, site=attack, technique=attack,
                      warnings=(attack,))  # fmt: skip
    provenance = {**PROVENANCE, "system": attack, "warnings": [attack], "versions": {attack: attack}}
    warning = ReviewWarning(attack, attack, attack, {attack: attack})
    path = tmp_path / "report.html"
    goals = bundled_goals("head-and-neck")
    hostile_goals = replace(goals, goals=tuple(replace(g, source=attack) for g in goals.goals))
    dose = NamedDose(attack, dose_gy(), dose_gy(0.01), provenance)
    write_report(path, hostile, [dose], hostile_goals, [warning], gamma_points=0, title=attack)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "img"} & set(page.tags) and page.handlers == []
    assert attack in page.text


def test_goals_converted_to_other_fractions_are_marked(patient: Patient, written: str, tmp_path: Path) -> None:
    """45 Gy in 25 fractions of 1.8 Gy are 24.66 Gy in 5 with an alpha/beta of 2 Gy: D (D/n + 2) is the same."""
    assert 45.0 * (45.0 / 25.0 + 2.0) == pytest.approx(24.66 * (24.66 / 5.0 + 2.0), rel=1e-3)
    path = tmp_path / "report.html"
    doses = [NamedDose("Predicted", dose_gy())]
    write_report(path, replace(patient, fractions=5), doses, bundled_goals("head-and-neck"), gamma_points=0)
    text = Page(path.read_text(encoding="utf-8")).text
    assert re.search(r"Cord D0.03cc\s+\d+ ≤ 24.66 Gy \* ", text), text
    assert "≥ 100 %Rx * " not in text and "* Converted to this plan's fractions by EQD2" in text
    assert "Converted to" not in Page(written).text


def test_structures_of_one_colour_for_all_are_told_apart() -> None:
    """Contouring software that knows one colour only writes it for all; a pair may share one on purpose."""
    structures = ball_patient().structures
    red, pink = (1.0, 0.0, 0.2), (1.0, 0.5, 0.8)
    same = structure_colours(replace(one, color=red) for one in structures)
    assert len(set(same.values())) == len(structures)
    assert same == structure_colours(replace(one, color=None) for one in structures)
    pair = structure_colours(replace(one, color=pink if "Parotid" in one.name else red) for one in structures[-3:])
    assert pair == {"Cord": red, "Parotid left": pink, "Parotid right": pink}


def test_without_reference_standard_deviation_provenance_ct_and_goals_it_is_shorter(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    bare = replace(ball_patient(), ct=None, beams=None, fractions=None)
    write_report(path, bare, [NamedDose("Mine", dose_gy())])
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Warnings", "Dose on the CT", "Dose-volume histograms", "Dose by structure", "Inputs"
    ]  # fmt: skip
    assert "There is no CT." in text and "fractions unknown" in text and "Hottest point: 71." in text


def test_remarks_count_as_warnings(tmp_path: Path) -> None:
    """A wrong patient's dose under "Warnings 0, none" would be read as fine."""
    path = tmp_path / "report.html"
    counts = []
    for remarks in ((), ("The dose is another patient's.",)):
        write_report(path, ball_patient(), [NamedDose("Mine", dose_gy(), warnings=remarks)])
        text = path.read_text(encoding="utf-8")
        card = re.search(r"Warnings</span><b>(\d+)</b><small>(see below|none)", text)
        assert card is not None and (card[1] == "0") == (card[2] == "none") == ("No warning applies." in text)
        counts.append(int(card[1]))
    assert counts[1] == counts[0] + 1


def test_an_unwritable_place_leaves_nothing(tmp_path: Path, capsys) -> None:
    write_patient_folder(ball_patient(), tmp_path / "ball")
    dose_gy().write(tmp_path / "dose.nrrd")
    (tmp_path / "file").write_text("")
    assert main(["report", str(tmp_path / "ball"), "--dose", str(tmp_path / "dose.nrrd"), "-o",
                 str(tmp_path / "file" / "report.html")]) == 2  # fmt: skip
    assert "Cannot write" in capsys.readouterr().err and (tmp_path / "file").read_text() == ""


def test_a_folder_is_no_place_for_the_page_and_that_is_said_at_once(tmp_path: Path, capsys) -> None:
    (tmp_path / "there").mkdir()
    for folder in (str(tmp_path / "there"), f"{tmp_path}/new/"):
        # The case does not exist: what is wrong with the output is told before anything is read.
        assert main(["report", str(tmp_path / "nobody"), "--dose", "none.nrrd", "-o", folder]) == 2
        told = capsys.readouterr().err
        assert f"{folder} is a folder" in told and "report.html" in told
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_the_command_takes_what_lies_beside_the_dose_or_what_is_given(tmp_path: Path, capsys) -> None:
    write_patient_folder(ball_patient(), tmp_path / "ball")
    dose_gy().write(tmp_path / "made" / "dose.nrrd")
    dose_gy(0.02).write(tmp_path / "made" / "dose_std.nrrd")
    (tmp_path / "made" / "prediction.json").write_text('{"system": "elsewhere", "patient": "pt_9"}', encoding="utf-8")
    out = tmp_path / "report.html"
    report = ["report", str(tmp_path / "ball"), "-o", str(out), "--dose"]
    assert main([*report, str(tmp_path / "made" / "dose.nrrd")]) == 0
    page = Page(out.read_text(encoding="utf-8")).text
    assert "System elsewhere" in page and "Uncertainty" in page
    assert "about pt_9, the case is ball" in capsys.readouterr().err
    dose_gy().write(tmp_path / "alone.nrrd")
    (tmp_path / "other.json").write_text('{"system": "given"}', encoding="utf-8")
    assert main([*report, f"Mine={tmp_path / 'alone.nrrd'}", "--provenance", str(tmp_path / "other.json")]) == 0
    page = Page(out.read_text(encoding="utf-8")).text
    assert "System given" in page and "Uncertainty" not in page
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    assert main([*report, str(tmp_path / "alone.nrrd"), "--provenance", str(tmp_path / "bad.json")]) == 2
    assert "bad.json is not valid JSON" in capsys.readouterr().err


def test_png_files_are_read_back_by_another_reader(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    (tmp_path / "picture.png").write_bytes(png_bytes(picture))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "picture.png"))), picture)


def test_the_pictures_in_the_page_are_whole(written: str, tmp_path: Path) -> None:
    images = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", written)
    (tmp_path / "view.png").write_bytes(base64.b64decode(images[1]))
    picture = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "view.png")))
    assert picture.shape[2] == 3 and 140 <= min(picture.shape[:2])
    coloured = np.ptp(picture.astype(int), axis=2) > 40
    assert 0.1 < coloured.mean() < 0.95, "a wash of dose over grey"


def test_contour_lines_of_a_disc_and_of_a_ring() -> None:
    y, x = np.indices((60, 70)).astype(float)
    distance = np.hypot(x - 30.0, y - 25.0)
    (line,) = contour_lines(20.0 - distance, 5.0)
    assert np.hypot(line[:, 0] - 30.0, line[:, 1] - 25.0) == pytest.approx(15.0, abs=0.05)
    rolled = np.roll(line, -1, axis=0)
    area = 0.5 * abs(float((line[:, 0] * rolled[:, 1] - rolled[:, 0] * line[:, 1]).sum()))
    assert area == pytest.approx(np.pi * 225.0, rel=0.01)
    assert np.linalg.norm(rolled - line, axis=1).max() < 1.5, "closed, and without jumps"
    ring = ((distance < 20.0) & (distance > 8.0)).astype(float)
    assert len(contour_lines(ring, 0.5)) == 2
    assert contour_lines(np.zeros((5, 5)), 0.5) == []
    assert len(contour_lines(np.ones((5, 5)), 0.5)) == 1, "closed along the picture's edge"


@pytest.mark.parametrize("orientation", Orientation)
def test_planes_show_the_patient_from_the_usual_side(orientation: Orientation) -> None:
    patient = ball_patient()
    point = (4.0, -10.0, 4.0)
    plane = Plane(orientation, point, (0.0, 0.0, 0.0), 180, 180)
    left_parotid, cord = plane.sample(patient.structures[4].mask), plane.sample(patient.structures[3].mask)
    x, y = plane.point_in_view
    if orientation is Orientation.AXIAL:
        assert (x, y) == (94.0, 80.0) and "".join(plane.edge_letters) == "RLAP"
        assert np.argwhere(cord > 0.5)[:, 0].mean() > 125, "the cord lies behind, below in the picture"
    elif orientation is Orientation.CORONAL:
        assert (x, y) == (94.0, 86.0) and "".join(plane.edge_letters) == "RLSI"
        centre = np.argwhere(plane.sample(patient.structures[4].mask.on_grid(AXIAL)) > 0.5)
        assert centre.size == 0 or centre[:, 1].mean() > 120, "the patient's left is at the right"
    else:
        assert (x, y) == (80.0, 86.0) and "".join(plane.edge_letters) == "APSI"
        assert np.argwhere(cord > 0.5)[:, 1].mean() > 125 and not (left_parotid > 0.5).any()
    sampled = plane.sample(patient.targets[0].mask)
    rows, columns = np.nonzero(sampled > 0.5)
    centre = replace(plane, point_mm=(8.0, -10.0, 4.0)).point_in_view
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx(centre, abs=1.0), "where the high target is"


@pytest.mark.parametrize("orientation", Orientation)
def test_only_where_a_structure_lies_is_it_looked_for(orientation: Orientation, monkeypatch) -> None:
    looked_at: list[int] = []

    def counted(array, index, **options):
        looked_at.append(index[0].size)
        return map_coordinates(array, index, **options)

    monkeypatch.setattr("scipy.ndimage.map_coordinates", counted)
    small = ball(oblique_geometry(), (11.0, -23.0, 37.0), 9.0).cropped_to_nonzero()
    plane = Plane(orientation, (13.2, -21.9, 35.4), (0.0, 0.0, 20.0), 180, 170)
    seen = plane.sample(small)
    padded = small.geometry.cropped((-40, -40, -40), tuple(n + 80 for n in small.array.shape))
    assert np.allclose(seen, plane.sample(Volume(np.pad(small.array, 40), padded)), atol=1e-6)
    assert 200 < (seen >= 0.5).sum() < looked_at[0] < 0.2 * seen.size
    looked_at.clear()
    beside = replace(plane, point_mm=(45.0, 20.0, 80.0)).sample(small, outside=-1.0)
    assert (beside == -1.0).all() and beside.dtype == np.float32 and not looked_at


def test_the_points_that_views_go_through() -> None:
    patient = ball_patient()
    name, point = central_point(replace(patient, beams=replace(OPENKBP_BEAMS, isocentre_mm=(1.0, 2.0, 3.0))))
    assert (name, point) == ("isocentre", (1.0, 2.0, 3.0))
    name, point = central_point(patient)
    assert name == "centre of the targets" and np.linalg.norm(np.subtract(point, (4.6, -10.0, 0.6))) < 1.0
    highest, hottest = hottest_point(dose_gy())
    assert highest == dose_gy().array.max() and np.linalg.norm(np.subtract(hottest, (8.0, -10.0, 4.0))) < 3.5


def test_the_wash_is_clear_below_the_lowest_level_and_coloured_from_it() -> None:
    wash = dose_wash(dose_gy(), IsodoseScale.for_prescription(70.0))
    grey = np.full((1, 3, 3), 0.4)
    seen = wash.over(grey, np.array([[6.9, 7.0, 70.0]]))
    assert np.array_equal(seen[0, 0], grey[0, 0])
    assert seen[0, 1] == pytest.approx(0.2 + 0.5 * np.array([0.10, 0.10, 0.65]))
    assert seen[0, 2] == pytest.approx(0.2 + 0.5 * np.array([0.95, 0.10, 0.05]), abs=0.01)
