"""What is measured of DICOM contours: volumes and doses of small solids against formulas, wherever the slices cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_phantom import Study, circle, write_ct, write_structures
from phantom import oblique_geometry, points_mm
from solids import cap_fraction, inverse

from DosePredictionLib.dosimetry.derived import combined, expanded, intersection, minus, ring_outside
from DosePredictionLib.dosimetry.dvh import Dvh, compute_dvh, compute_dvhs
from DosePredictionLib.dosimetry.partial_voxels import inside_cc
from DosePredictionLib.dosimetry.roi_error import roi_errors
from DosePredictionLib.patient.dicom_contours import rasterise
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.outlined_mask import OutlinedMask
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.worker.exchange import read_patient_exchange, write_patient

GRIDS = {
    "2 mm": Geometry((40, 64, 64), (2.0, 2.0, 2.0), (-64.0, -64.0, -40.0)),
    "3 mm": Geometry((40, 48, 48), (3.0, 3.0, 3.0), (-70.5, -70.5, -58.5)),
    "CT slices": Geometry((40, 128, 128), (1.0, 1.0, 2.5), (-64.0, -64.0, -50.0)),
    "oblique": oblique_geometry((1.1, 0.9, 2.5)),
}
CT_SLICES = GRIDS["CT slices"]
MIDDLE_MM = (64.37, 63.81)


def ball(geometry: Geometry, radius_mm: float, middle: float = 20.0, thick: float = 1.0) -> list[np.ndarray]:
    """A ball's contours in the slices of a grid, about a height in slices; ``thick`` stretches it along the axis."""
    heights = (np.arange(geometry.shape[0]) - middle) * geometry.spacing_mm[2] / thick
    return [
        circle(geometry, index, MIDDLE_MM, float(np.sqrt(radius_mm**2 - height**2)), corners=360)
        for index, height in enumerate(heights) if abs(height) < radius_mm
    ]  # fmt: skip


def ball_cc(radius_mm: float) -> float:
    return 4.0 / 3.0 * np.pi * radius_mm**3 / 1000.0


def centre_mm(geometry: Geometry, middle: float = 20.0) -> np.ndarray:
    x, y = np.array(MIDDLE_MM) / geometry.spacing_mm[:2]
    return geometry.lps_of_index(np.array([middle, y, x]))


def outlined(contours: list[np.ndarray], geometry: Geometry, name: str = "Lens_L") -> Structure:
    built = rasterise(contours, geometry)
    assert built is not None
    return Structure(name, built.mask, StructureRole.OAR, name)


def gradient(centre: np.ndarray, along: np.ndarray, spacing_mm: float = 2.0) -> Volume:
    """40 Gy at the centre and 2 Gy/mm along a direction."""
    half = 32.0
    count = int(2 * half / spacing_mm)
    geometry = Geometry((count,) * 3, (spacing_mm,) * 3, tuple(centre - half + 0.3))
    return Volume((40.0 + 2.0 * (points_mm(geometry) - centre) @ along).astype(np.float32), geometry)


def assert_ball_in_gradient(dvh: Dvh, radius_mm: float) -> None:
    """Doses within 0.4 mm of the gradient, 2 Gy/mm; the volume within 0.5 %."""
    assert dvh.volume_cc == pytest.approx(ball_cc(radius_mm), rel=0.005)
    assert dvh.mean_gy == pytest.approx(40.0, abs=0.2)
    for volume_cc in (0.03, 0.1, 2.0):
        part = volume_cc / ball_cc(radius_mm)
        expected = 40.0 + 2.0 * radius_mm * inverse(cap_fraction, part, -1.0, 1.0) if part < 1.0 else dvh.min_gy
        assert dvh.dose_at_volume_cc(volume_cc) == pytest.approx(expected, abs=0.8)


# Volumes


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("slices", [3, 5, 8])
@pytest.mark.parametrize("shift", [0.0, 0.5, 0.31])
def test_a_ball_of_few_slices_wherever_they_cut_it(grid: str, slices: int, shift: float) -> None:
    """With a slice through the middle (none at the poles) and with the middle half way between two."""
    geometry = GRIDS[grid]
    radius_mm = slices * geometry.spacing_mm[2]
    structure = outlined(ball(geometry, radius_mm, 20.0 + shift), geometry)
    assert inside_cc(structure.measured) == pytest.approx(ball_cc(radius_mm), rel=0.005)


def test_voxels_alone_do_not_tell_it() -> None:
    """The mask, with flat half slices at its ends, is some percent small or large; it is what models see."""
    geometry, radius_mm = GRIDS["2 mm"], 6.0
    through, between = (
        np.count_nonzero(rasterise(ball(geometry, radius_mm, at), geometry).mask.array) * 0.008 / 27
        for at in (20.0, 20.5)
    )
    assert through < 0.98 * ball_cc(radius_mm) and between > 1.005 * ball_cc(radius_mm)


def test_contours_at_the_very_poles_change_nothing() -> None:
    geometry, radius_mm = GRIDS["3 mm"], 9.0
    poles = [circle(geometry, index, MIDDLE_MM, 0.4) for index in (17, 23)]
    structure = outlined(ball(geometry, radius_mm) + poles, geometry)
    assert inside_cc(structure.measured) == pytest.approx(ball_cc(radius_mm), rel=0.01)


@pytest.mark.parametrize("thick", [0.5, 1.7])
def test_ellipsoids(thick: float) -> None:
    structure = outlined(ball(CT_SLICES, 15.0, 20.2, thick), CT_SLICES)
    assert inside_cc(structure.measured) == pytest.approx(thick * ball_cc(15.0), rel=0.005)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_contours_on_some_slices_only(every: int) -> None:
    contours = ball(CT_SLICES, 30.0)[every // 2 :: every]
    assert inside_cc(outlined(contours, CT_SLICES).measured) == pytest.approx(ball_cc(30.0), rel=0.005)


@pytest.mark.parametrize("radius_mm", [2.0, 20.0])
def test_a_cylinder_ends_half_a_slice_beyond_its_last_contours(radius_mm: float) -> None:
    contours = [circle(CT_SLICES, index, MIDDLE_MM, radius_mm, 360) for index in range(10, 17)]
    structure = outlined(contours, CT_SLICES)
    assert inside_cc(structure.measured) == pytest.approx(np.pi * radius_mm**2 * 17.5 / 1000, rel=0.005)
    occupied = np.argwhere(structure.measured.array > 0.5)
    ends = structure.measured.geometry.lps_of_index(occupied)[:, 2]
    half_voxel = structure.measured.geometry.spacing_mm[2] / 2
    assert ends.min() - half_voxel == pytest.approx(-50.0 + 9.5 * 2.5)
    assert ends.max() + half_voxel == pytest.approx(-50.0 + 16.5 * 2.5)


def test_a_single_contour_is_one_slice_thick() -> None:
    structure = outlined([circle(CT_SLICES, 20, MIDDLE_MM, 12.0, 360)], CT_SLICES)
    assert inside_cc(structure.measured) == pytest.approx(np.pi * 144 * 2.5 / 1000, rel=0.003)


def test_holes_by_exclusive_or_and_by_keyhole() -> None:
    shell = ball(CT_SLICES, 15.0) + ball(CT_SLICES, 10.0)
    hollow = outlined(shell, CT_SLICES)
    assert inside_cc(hollow.measured) == pytest.approx(ball_cc(15.0) - ball_cc(10.0), rel=0.02)
    keyholes = []
    for index in range(10, 20):
        outer, inner = circle(CT_SLICES, index, MIDDLE_MM, 12.0, 360), circle(CT_SLICES, index, MIDDLE_MM, 7.0, 360)
        keyholes.append(np.concatenate([outer, outer[:1], inner[::-1], inner[-1:], outer[:1]]))
    tube = outlined(keyholes, CT_SLICES)
    assert inside_cc(tube.measured) == pytest.approx(np.pi * (144 - 49) * 25.0 / 1000, rel=0.005)
    for structure in (hollow, tube):
        z, y, x = np.rint(structure.measured.geometry.index_of_lps(centre_mm(CT_SLICES, 15.0 + 5.0 * (
            structure is hollow)))).astype(int)  # fmt: skip
        assert structure.measured.array[z, y, x] == 0.0


def test_a_missing_slice_is_bridged_and_a_gap_stays() -> None:
    contours = [circle(CT_SLICES, index, MIDDLE_MM, 10.0, 360) for index in range(5, 30)]
    whole_cc = np.pi * 100 * 25 * 2.5 / 1000
    bridged = outlined(contours[:9] + contours[10:], CT_SLICES)
    assert inside_cc(bridged.measured) == pytest.approx(whole_cc, rel=0.005)
    parted = outlined(contours[:9] + contours[13:], CT_SLICES)
    assert inside_cc(parted.measured) == pytest.approx(whole_cc * 21 / 25, rel=0.005)


def test_parts_of_one_structure_do_not_touch_across_a_missing_slice() -> None:
    """Side by side with a slice between them; rounded ends meet in the middle at most."""
    left = [circle(CT_SLICES, 10 + i, (40.3, 64.1), r, 360) for i, r in enumerate((9.0, 9.0, 8.0, 5.5))]
    right = [circle(CT_SLICES, 18 - i, (80.7, 64.1), r, 360) for i, r in enumerate((9.0, 9.0, 8.0, 5.5))]
    both, one = outlined(left + right, CT_SLICES), outlined(left, CT_SLICES)
    assert inside_cc(both.measured) == pytest.approx(2 * inside_cc(one.measured), rel=0.01)


@pytest.mark.parametrize("radius_mm", [7.5, 24.0])
def test_contours_in_sagittal_planes(radius_mm: float) -> None:
    """Measured on planes of their own; the mask lies on the CT's voxels."""
    around = np.linspace(0, 2 * np.pi, 360, endpoint=False)
    contours = []
    for x in np.arange(-24.0, 24.0, 2.5) + 0.7:
        if abs(x) < radius_mm:
            r = np.sqrt(radius_mm**2 - x**2)
            contours.append(np.column_stack([np.full(360, x + 3.2), r * np.cos(around) - 5.1, r * np.sin(around)]))
    structure = outlined(contours, CT_SLICES)
    assert structure.mask.geometry.direction == CT_SLICES.direction
    assert inside_cc(structure.measured) == pytest.approx(ball_cc(radius_mm), rel=0.005)
    dose = gradient(np.array([3.2, -5.1, 0.0]), np.array([1.0, 0.0, 0.0]))
    if radius_mm < 10.0:
        assert_ball_in_gradient(compute_dvh(dose, structure), radius_mm)


def test_the_largest_structures_are_measured_by_their_voxels() -> None:
    geometry = Geometry((70, 128, 128), (1.0, 1.0, 1.0), (-64.0, -64.0, -35.0))
    contours = [circle(geometry, index, MIDDLE_MM, 40.0) for index in range(10, 60)]
    structure = outlined(contours, geometry, "Body")
    assert structure.measured is structure.mask
    assert inside_cc(structure.measured) == pytest.approx(np.pi * 1600 * 50 / 1000, rel=0.002)


# Doses


@pytest.mark.parametrize("along", np.eye(3), ids="xyz")
@pytest.mark.parametrize("middle", [20.0, 20.5])
@pytest.mark.parametrize("grid", ["2 mm", "3 mm", "CT slices"])
def test_doses_of_a_small_ball_in_a_gradient(grid: str, middle: float, along: np.ndarray) -> None:
    geometry = GRIDS[grid]
    radius_mm = 3 * geometry.spacing_mm[2]
    structure = outlined(ball(geometry, radius_mm, middle), geometry)
    dvh = compute_dvh(gradient(centre_mm(geometry, middle), along), structure)
    assert_ball_in_gradient(dvh, radius_mm)


def test_from_files_to_the_dvh(tmp_path: Path) -> None:
    """A case as it comes from the clinic: CT and RTSTRUCT, a lens with a radius of three slices."""
    geometry, study = Geometry((40, 64, 64), (2.0, 2.0, 2.0), (-64.0, -64.0, -40.0)), Study()
    write_ct(tmp_path / "CT", Volume(np.zeros(geometry.shape, np.int16), geometry), study)
    drawn = {"PTV 60": ball(geometry, 16.0), "Lens L": ball(geometry, 6.0, 20.5)}
    write_structures(tmp_path / "RS.dcm", drawn, study)
    patient = read_patient(tmp_path)
    (lens,) = [structure for structure in patient.structures if structure.standard_name == "Lens_L"]
    dose = gradient(centre_mm(geometry, 20.5), np.array([0.0, 0.0, 1.0]))
    assert_ball_in_gradient(compute_dvh(dose, lens), 6.0)
    for error in roi_errors(patient, dose, dose):
        assert error.volume_cc == pytest.approx(ball_cc(16.0 if error.is_target else 6.0), rel=0.005)


def test_two_doses_are_read_at_the_same_points_of_a_large_structure() -> None:
    """Above 50,000 voxels whole voxels are in or out; on the dose's own grid there is nothing to interpolate."""
    geometry = Geometry((70, 90, 90), (1.0, 1.0, 1.0), (-45.0, -45.0, -35.0))
    x, y = 45.2, 44.7
    heights = np.arange(70) - 34.6
    contours = [circle(geometry, i, (x, y), float(np.sqrt(900 - h**2)), 360) for i, h in enumerate(heights)
                if abs(h) < 30]  # fmt: skip
    structure = outlined(contours, geometry)
    assert isinstance(structure.mask, OutlinedMask)
    along_z = 40.0 + (points_mm(geometry) - geometry.lps_of_index(np.array([34.6, y, x]))) @ np.array([0.0, 0.0, 1.0])
    own = Volume(along_z.astype(np.float32), geometry)
    one, two = compute_dvhs([own, Volume(2 * own.array, geometry)], structure)
    assert one.volume_cc == two.volume_cc == pytest.approx(ball_cc(30.0), rel=0.002)
    np.testing.assert_array_equal(two.samples_gy, 2 * one.samples_gy)
    assert one.mean_gy == pytest.approx(40.0, abs=0.03)
    assert one.dose_at_volume_percent(2.0) == pytest.approx(40 + 30 * inverse(cap_fraction, 0.02, -1, 1), abs=0.5)


# What is made of a structure


def test_another_mask_has_no_occupancy_of_the_old_one() -> None:
    structure = outlined(ball(CT_SLICES, 7.5), CT_SLICES)
    assert isinstance(structure.mask, OutlinedMask)
    other = Volume(np.ones((2, 2, 2), np.uint8), CT_SLICES.cropped((0, 0, 0), (2, 2, 2)))
    assert replace(structure, mask=other).measured is other
    renamed = replace(structure, name="Lens", role=StructureRole.OTHER)
    assert renamed.measured is structure.measured
    for changed in (structure.mask.cropped_to_nonzero(), structure.mask.on_grid(CT_SLICES, nearest=True)):
        assert not isinstance(changed, OutlinedMask)
        assert replace(structure, mask=changed).measured is changed
    assert ring_outside(structure, 0.0, 5.0).measured.array.shape != structure.measured.array.shape


def test_structures_made_from_outlined_ones() -> None:
    """What they share, have together, and what is left of one: to the formula of the lens that two balls share."""
    radius_mm, apart = 12.0, 4  # slices of 2.5 mm
    low, high = (outlined(ball(CT_SLICES, radius_mm, at), CT_SLICES, str(at)) for at in (18.0, 18.0 + apart))
    # Two balls of radius r whose centres are d apart share pi (4 r + d) (2 r - d)^2 / 12.
    d = apart * 2.5
    shared = np.pi * (4 * radius_mm + d) * (2 * radius_mm - d) ** 2 / 12.0 / 1000.0
    assert inside_cc(intersection(low, high).measured) == pytest.approx(shared, rel=0.01)
    assert inside_cc(minus(low, [high]).measured) == pytest.approx(ball_cc(radius_mm) - shared, rel=0.01)
    assert inside_cc(combined([low, high]).measured) == pytest.approx(2 * ball_cc(radius_mm) - shared, rel=0.01)


def test_a_structure_without_itself_is_nothing_and_with_itself_is_itself() -> None:
    """Where two surfaces run through one voxel in the same way, half and half is a half or nothing, not a quarter."""
    structure = outlined(ball(CT_SLICES, 9.0), CT_SLICES)
    whole = inside_cc(structure.measured)
    assert inside_cc(minus(structure, [structure]).measured) < 0.01 * whole
    assert inside_cc(combined([structure, structure]).measured) == pytest.approx(whole, rel=0.01)
    # A hollow ball and what is in its hollow share a surface, with opposite sides. They lie on different grids.
    ring = outlined(ball(CT_SLICES, 15.0) + ball(CT_SLICES, 9.0), CT_SLICES)
    assert inside_cc(minus(ring, [structure]).measured) == pytest.approx(inside_cc(ring.measured), rel=0.02)


def test_a_small_organ_cut_from_a_large_one_on_coarser_voxels() -> None:
    large, small = outlined(ball(CT_SLICES, 30.0), CT_SLICES), outlined(ball(CT_SLICES, 7.5), CT_SLICES)
    assert small.measured.geometry.spacing_mm[0] < large.measured.geometry.spacing_mm[0]
    left = inside_cc(minus(large, [small]).measured)
    assert inside_cc(large.measured) - left == pytest.approx(ball_cc(7.5), rel=0.01)


def test_margins_start_at_the_outline() -> None:
    structure = outlined(ball(CT_SLICES, 12.0), CT_SLICES)
    for margin_mm in (3.0, 6.0):
        grown_cc = inside_cc(expanded(structure, margin_mm).measured)
        # Right within 0.4 mm of the surface.
        assert ball_cc(11.6 + margin_mm) < grown_cc < ball_cc(12.4 + margin_mm)


# Files


def test_what_a_model_sees_and_what_folders_hold_are_masks(tmp_path: Path) -> None:
    """Neither the prediction process nor a written folder gets the occupancy: a folder measures as its voxels do."""
    lens = outlined(ball(CT_SLICES, 7.5), CT_SLICES)
    ct = Volume(np.zeros(CT_SLICES.shape, np.int16), CT_SLICES)
    target = replace(outlined(ball(CT_SLICES, 15.0), CT_SLICES, "PTV"), role=StructureRole.TARGET, prescription_gy=60.0)
    patient = Patient("case", CT_SLICES, ct, (target, lens))
    write_patient(patient, tmp_path / "patient.npz")
    write_patient_folder(patient, tmp_path / "case")
    for copy in (read_patient_exchange(tmp_path / "patient.npz"), read_patient(tmp_path / "case")):
        counts = {one.name: np.count_nonzero(one.mask.array) for one in copy.structures}
        assert counts == {one.name: np.count_nonzero(one.mask.array) for one in patient.structures}
        for structure in copy.structures:
            assert structure.measured is structure.mask
            assert set(np.unique(structure.mask.array)) == {0, 1}
