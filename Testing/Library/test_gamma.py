"""Gamma against what can be worked out by hand."""

from __future__ import annotations

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball_patient, oblique_geometry, points_mm

from DosePredictionLib.cli.main import main
from DosePredictionLib.dosimetry.comparison import compare_doses
from DosePredictionLib.dosimetry.gamma import USUAL_CRITERIA, GammaCriterion, GammaResult, gamma_analysis
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder

#: 3 x 3 x 16 voxels of 3 mm; a larger grid of 1.5 mm around it, so that no search meets its end.
REFERENCE = Geometry((3, 3, 16), (3.0, 3.0, 3.0))
WIDE = Geometry((24, 24, 48), (1.5, 1.5, 1.5), (-14.0, -14.0, -14.0))


def ramp(geometry: Geometry, gy_per_mm: float, offset_gy: float = 0.0) -> Volume:
    """A dose that rises along x; 30 Gy at x = 0."""
    return Volume((30.0 + gy_per_mm * points_mm(geometry)[..., 0] + offset_gy).astype(np.float32), geometry)


def blob(geometry: Geometry, shift_mm: float = 0.0) -> Volume:
    """A dose with a gradient of up to 1.4 Gy/mm."""
    distance = np.linalg.norm(points_mm(geometry) - (shift_mm, 0.0, 0.0), axis=-1)
    return Volume((70.0 / (1.0 + np.exp((distance - 40.0) / 12.5))).astype(np.float32), geometry)


@pytest.mark.parametrize("criterion", USUAL_CRITERIA, ids=lambda c: c.text)
def test_identical_doses_pass_everywhere(criterion: GammaCriterion) -> None:
    result = gamma_analysis(blob(AXIAL), blob(AXIAL), criterion)
    assert result.pass_percent == 100.0
    assert result.points == result.eligible_points == int((blob(AXIAL).array >= result.threshold_gy).sum())
    assert result.threshold_gy == pytest.approx(0.1 * float(blob(AXIAL).array.max()))
    assert result.seconds > 0.0


@pytest.mark.parametrize("gy_per_mm", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("gamma", "passing"), [(0.97, 100.0), (1.03, 0.0)])
def test_a_raised_ramp_has_the_gamma_worked_out_by_hand(gy_per_mm: float, gamma: float, passing: float) -> None:
    # In a ramp of slope g raised by c the nearest point of the (dose, distance) line lies at
    # gamma = c / sqrt(dD^2 + (g dr)^2) from every point (Low et al., Med. Phys. 25, 1998).
    reference = ramp(REFERENCE, gy_per_mm)
    dose_criterion = 0.03 * float(reference.array.max())
    offset_gy = gamma * np.hypot(dose_criterion, gy_per_mm * 3.0)
    result = gamma_analysis(reference, ramp(WIDE, gy_per_mm, offset_gy), GammaCriterion(3.0, 3.0))
    assert result.pass_percent == passing


def test_a_shift_of_two_millimetres_passes_three_and_fails_one() -> None:
    # The same formula with c = g s: in a steep gradient gamma tends to the shift over the distance criterion.
    reference, shifted = ramp(REFERENCE, 2.0), ramp(WIDE, 2.0, -2.0 * 2.0)
    dose_criterion = 0.01 * float(reference.array.max())
    assert 4.0 / np.hypot(dose_criterion, 2.0) > 1.0 > 4.0 / np.hypot(dose_criterion, 6.0)
    assert gamma_analysis(reference, shifted, GammaCriterion(1.0, 3.0)).pass_percent == 100.0
    assert gamma_analysis(reference, shifted, GammaCriterion(1.0, 1.0)).pass_percent == 0.0


def test_a_shifted_blob_passes_where_its_gradient_is_low_or_the_distance_suffices() -> None:
    assert gamma_analysis(blob(AXIAL), blob(AXIAL, 2.0), GammaCriterion(3.0, 3.0), points=2000).pass_percent == 100.0
    partly = gamma_analysis(blob(AXIAL), blob(AXIAL, 2.0), GammaCriterion(1.0, 1.0), points=500).pass_percent
    assert 20.0 < partly < 95.0


@pytest.mark.parametrize("local", [False, True])
def test_three_percent_of_scaling_just_passes(local: bool) -> None:
    # In a uniform dose no distance helps: gamma is the dose difference over its criterion.
    uniform = Volume(np.full(REFERENCE.shape, 60.0, np.float32), REFERENCE)
    for scale, passing in ((1.0299, 100.0), (0.9701, 100.0), (1.0301, 0.0), (0.9699, 0.0)):
        scaled = Volume(np.full(WIDE.shape, 60.0 * scale, np.float32), WIDE)
        assert gamma_analysis(uniform, scaled, GammaCriterion(3.0, 3.0, local)).pass_percent == passing


def test_local_is_stricter_than_global_where_the_dose_is_low() -> None:
    # Two plateaus, 60 and 30 Gy, 5 mm voxels, scaled by 1.04. Global (1.8 Gy): 30 Gy differ by 1.2 and pass; 60 Gy
    # differ by 2.4 and fail, but for the slab at the step, where the dose falls by 2.4 Gy within 0.4 mm. Local: 4 % is
    # more than 3 % everywhere, and only that slab passes.
    grid = Geometry((2, 2, 20), (5.0, 5.0, 5.0))
    wide = Geometry((12, 12, 30), (5.0, 5.0, 5.0), (-25.0, -25.0, -25.0))

    def steps(geometry: Geometry, scale: float) -> Volume:
        high = points_mm(geometry)[..., 0] < 47.5
        return Volume((np.where(high, 60.0, 30.0) * scale).astype(np.float32), geometry)

    reference, scaled = steps(grid, 1.0), steps(wide, 1.04)
    assert gamma_analysis(reference, scaled, GammaCriterion(3.0, 3.0)).pass_percent == pytest.approx(55.0)
    assert gamma_analysis(reference, scaled, GammaCriterion(3.0, 3.0, local=True)).pass_percent == pytest.approx(5.0)


def test_doses_below_the_threshold_are_not_looked_at() -> None:
    reference = Volume(np.full(REFERENCE.shape, 60.0, np.float32), REFERENCE)
    reference.array[:, :, 8:] = 5.0
    evaluated = Volume(reference.array.copy(), REFERENCE)
    evaluated.array[:, :, 8:] = 0.0
    result = gamma_analysis(reference, evaluated, GammaCriterion(3.0, 3.0))
    assert result.pass_percent == 100.0 and result.eligible_points == 3 * 3 * 8
    assert gamma_analysis(reference, evaluated, GammaCriterion(3.0, 3.0), threshold_percent=5.0).pass_percent < 60.0


def test_the_evaluated_dose_may_lie_on_any_grid() -> None:
    reference = blob(AXIAL)
    fine = Geometry((80, 88, 72), (2.7, 2.0, 1.5), (-95.0, -87.0, -60.0))
    criterion = GammaCriterion(2.0, 2.0)
    assert gamma_analysis(reference, blob(fine), criterion, points=2000).pass_percent == 100.0
    # All but the blob's rim, which the turned grid's corners cut.
    assert gamma_analysis(reference, blob(oblique_geometry()), criterion, points=2000).pass_percent > 99.0
    # Beyond the evaluated grid there is no dose, and that does not pass.
    half = blob(AXIAL).geometry.cropped((0, 0, 0), (40, 44, 24))
    result = gamma_analysis(reference, blob(half), GammaCriterion(3.0, 3.0), points=500)
    assert 40.0 < result.pass_percent < 60.0 and result.points == 500


def test_an_evaluated_dose_that_begins_within_the_reference_leaves_out_none_of_its_points() -> None:
    half = AXIAL.cropped((0, 0, 24), (40, 44, 24))
    result = gamma_analysis(blob(AXIAL), blob(half), GammaCriterion(3.0, 3.0), points=500)
    assert 40.0 < result.pass_percent < 60.0 and result.points == 500


def test_what_a_finer_dose_shows_between_the_references_voxels_counts_on_turned_grids() -> None:
    """Fringes 4 mm apart on voxels as far apart, 1 mm further in the evaluated dose: 2 mm suffice."""
    reference = Geometry((4, 4, 16), (4.0, 4.0, 4.0))

    def fringes(geometry: Geometry, shift_mm: float) -> Volume:
        phase = 2.0 * np.pi * (points_mm(geometry)[..., 0] - shift_mm) / 4.0
        return Volume((30.0 + 20.0 * np.cos(phase)).astype(np.float32), geometry)

    turned = Geometry((200, 200, 200), (0.5, 0.5, 0.5), (-20.0, 70.0, -20.0), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    for evaluated in (Geometry((40, 40, 200), (0.5, 1.0, 1.0), (-20.0, -20.0, -20.0)), turned):
        result = gamma_analysis(fringes(reference, 0.0), fringes(evaluated, 1.0), GammaCriterion(3.0, 2.0))
        assert result.pass_percent == 100.0


def test_a_subset_is_random_repeatable_and_near_the_whole() -> None:
    criterion = GammaCriterion(1.0, 1.0)
    coarse = Geometry((14, 14, 14), (10.0, 10.0, 10.0), (-65.0, -65.0, -65.0))
    doses = blob(coarse), blob(AXIAL, 2.0)
    whole = gamma_analysis(*doses, criterion)
    np.random.seed(11)
    expected = np.random.rand()
    np.random.seed(11)
    one = gamma_analysis(*doses, criterion, points=300, seed=3)
    assert np.random.rand() == expected, "numpy's global generator is left as it was"
    again = gamma_analysis(*doses, criterion, points=300, seed=3)
    other = gamma_analysis(*doses, criterion, points=300, seed=4)
    assert one.points == 300 and one.eligible_points == whole.eligible_points
    assert one.pass_percent == again.pass_percent != other.pass_percent
    assert one.pass_percent == pytest.approx(whole.pass_percent, abs=11.0)  # four standard errors


def test_a_subset_says_how_sure_its_pass_rate_is() -> None:
    some = GammaResult(GammaCriterion(3.0, 3.0), 90.0, 900, 90_000, 7.0, 1.0)
    assert some.standard_error_percent == pytest.approx(1.0, abs=0.01)  # sqrt(0.9 * 0.1 / 900)
    assert some.pass_text == "90.0 ± 1.0 %"
    assert replace(some, points=90_000).pass_text == "90.0 %"
    assert 0.0 < replace(some, pass_percent=100.0).standard_error_percent < 0.2


def test_a_reference_without_dose_is_refused() -> None:
    with pytest.raises(InputError, match="0 everywhere"):
        gamma_analysis(Volume(np.zeros(AXIAL.shape, np.float32), AXIAL), blob(AXIAL), GammaCriterion(3.0, 3.0))


def test_without_pymedphys_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymedphys", None)
    with pytest.raises(InputError, match="pip install pymedphys"):
        gamma_analysis(blob(AXIAL), blob(AXIAL), GammaCriterion(3.0, 3.0))


def test_a_comparison_holds_gamma_by_criterion_and_the_command_says_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patient = replace(ball_patient(), reference_dose=blob(AXIAL))
    comparison = compare_doses(
        patient, [NamedDose("A", blob(AXIAL)), NamedDose("B", blob(AXIAL, 2.0))], gamma_points=100
    )
    (agreement,) = comparison.agreements
    assert [result.criterion for result in agreement.gamma] == list(USUAL_CRITERIA)
    assert all(result.points == 100 for result in agreement.gamma) and comparison.gamma_note == ""
    write_patient_folder(patient, tmp_path / "ball")
    blob(AXIAL).write(tmp_path / "same.nrrd")
    out = tmp_path / "out"
    assert main(["compare", str(tmp_path / "ball"), "--dose", str(tmp_path / "same.nrrd"), "-o", str(out),
                 "--gamma-points", "300"]) == 0  # fmt: skip
    printed = capsys.readouterr().out
    assert re.search(r"gamma 2 %/2 mm local +100.0 ± 0.3 % pass \(300 of \d+ voxels from .* \d+\.\d s\)", printed)
    rows = list(csv.DictReader(open(out / "compare.csv", newline="", encoding="utf-8")))
    assert [row["same"] for row in rows if row["kind"] == "gamma"] == ["100.00"] * 4
    assert "2 %/2 mm local" in (out / "compare.html").read_text(encoding="utf-8")


def uniform(geometry: Geometry, gray: float) -> Volume:
    return Volume(np.full(geometry.shape, gray, np.float32), geometry)


def test_a_difference_of_just_the_criterion_passes() -> None:
    """1.5 Gy of 50 Gy are 3 %: a gamma of 1, which passes (TG-218)."""
    criterion = GammaCriterion(3.0, 1.0)
    assert gamma_analysis(uniform(REFERENCE, 50.0), uniform(WIDE, 51.5), criterion).pass_percent == 100.0


def test_percent_are_of_dose_and_millimetres_of_distance() -> None:
    """A uniform dose raised by 2 % passes 3 %/1 mm and fails 1 %/3 mm."""
    doses = uniform(REFERENCE, 50.0), uniform(WIDE, 51.0)
    assert gamma_analysis(*doses, GammaCriterion(3.0, 1.0)).pass_percent == 100.0
    assert gamma_analysis(*doses, GammaCriterion(1.0, 3.0)).pass_percent == 0.0


def test_doses_on_one_turned_grid_are_compared_where_they_lie() -> None:
    """A CT turned about two axes: a dose that begins elsewhere on its grid lies where it lay."""
    grid = oblique_geometry((5.0, 6.0, 7.0))
    reference, criterion = blob(grid), GammaCriterion(2.0, 2.0)
    assert gamma_analysis(reference, reference, criterion, points=200).pass_percent == 100.0
    part = grid.cropped((1, 2, 3), (25, 28, 33))
    inner = replace(reference, array=np.where(reference.array > 20.0, reference.array, np.float32(0.0)))
    start = replace(inner, array=inner.array[1:26, 2:30, 3:36].copy(), geometry=part)
    assert gamma_analysis(inner, start, criterion, points=200).pass_percent == 100.0
