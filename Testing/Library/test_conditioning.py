"""What the model sees of a patient, and the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient, oblique_geometry, points_mm

from DosePredictionLib.conditioning.beam_channels import (
    ATTENUATION_PER_MM,
    SOURCE_AXIS_DISTANCE_MM,
    beam_channels,
)
from DosePredictionLib.conditioning.channels import CHANNELS, SCALARS, model_input
from DosePredictionLib.conditioning.distance import signed_distance
from DosePredictionLib.conditioning.dose_region import CAUDAL_MARGIN_MM, CRANIAL_MARGIN_MM, body_mask, dose_region
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM, model_geometry
from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.conditioning.way_back import WayBack
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.views import KnownViews, View
from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume


def smooth_dose_gy(points: np.ndarray) -> np.ndarray:
    """A dose that varies slowly enough for linear interpolation."""
    return 35.0 + 0.2 * points[..., 0] - 0.15 * points[..., 1] + 0.1 * points[..., 2]


def channel(inputs, name):  # noqa: ANN001, ANN201
    """One channel by name."""
    return inputs.channels[inputs.names.index(name)]


def test_an_axial_patient_of_trained_voxel_size_is_not_resampled():
    patient = ball_patient()
    inputs = model_input(patient)
    assert inputs.geometry.spacing_mm == AXIAL.spacing_mm
    offset = AXIAL.index_of_lps(np.asarray(inputs.geometry.origin_mm))
    assert np.allclose(offset, np.rint(offset))
    rng = np.random.default_rng(0)
    dose = rng.uniform(0, 70, inputs.region.shape).astype(np.float32) * inputs.region
    back = WayBack(inputs.region, inputs.geometry, patient).dose(dose)
    first = np.rint(offset).astype(int)
    part = back.array[tuple(slice(a, a + n) for a, n in zip(first, dose.shape, strict=True))]
    assert np.array_equal(part, dose)
    assert back.array.sum() == pytest.approx(dose.sum(), rel=1e-5)


def test_dose_and_standard_deviation_share_the_outline_that_they_are_cut_by(monkeypatch):
    resampled = []
    monkeypatch.setattr(
        "DosePredictionLib.conditioning.way_back.resample",
        lambda volume, grid: resampled.append(volume) or resample(volume, grid),
    )
    patient = ball_patient(oblique_geometry((1.7, 2.3, 3.1)), centre_mm=(11.0, -23.0, 37.0))
    inputs = model_input(patient)
    way_back = WayBack(inputs.region, inputs.geometry, patient)
    flat_gy = np.where(inputs.region, np.float32(40.0), np.float32(0.0))
    dose, deviation = (way_back.dose(values) for values in (flat_gy, 0.05 * flat_gy))
    for volume, gy in ((dose, 40.0), (deviation, 2.0)):
        assert volume.array[volume.array > 0] == pytest.approx(gy, rel=1e-4), "up to the skin, not less there"
    assert np.array_equal(dose.array > 0, deviation.array > 0) and (dose.array > 0).any()
    outlines = len(patient.with_role(StructureRole.EXTERNAL))
    assert outlines == 1 and len(resampled) == 1 + outlines + 2, "region and outline once, then the values"


@pytest.mark.parametrize("spacing_mm", [(1.7, 2.3, 3.1), (0.98, 0.98, 2.0), (6.0, 5.5, 5.0)])
def test_the_way_back_puts_a_dose_on_the_right_voxel_of_an_oblique_ct(spacing_mm):
    geometry = oblique_geometry(spacing_mm)
    patient = ball_patient(geometry, centre_mm=(11.0, -23.0, 37.0))
    inputs = model_input(patient)
    assert inputs.geometry.spacing_mm == NOMINAL_SPACING_MM
    on_model_grid = smooth_dose_gy(points_mm(inputs.geometry)) * inputs.region
    back = WayBack(inputs.region, inputs.geometry, patient).dose(on_model_grid)
    assert back.geometry == patient.geometry
    wanted = smooth_dose_gy(points_mm(geometry))
    predicted = back.array > 0
    distance = np.linalg.norm(points_mm(geometry) - (11.0, -23.0, 37.0), axis=-1)
    height = points_mm(geometry)[..., 2]
    target_heights = points_mm(geometry)[patient.targets[1].mask.array > 0][:, 2]
    lowest, highest = target_heights.min() - CAUDAL_MARGIN_MM, target_heights.max() + CRANIAL_MARGIN_MM
    slab = (height > lowest + 5) & (height < highest - 5)
    deep = (distance < 70.0) & slab
    assert predicted[deep].all()
    assert np.abs(back.array - wanted)[deep].max() < 0.01  # a linear field is interpolated exactly
    assert np.abs(back.array - wanted)[predicted].max() < 1.5  # at the skin, at most one model voxel's gradient off
    outside = patient.with_role(StructureRole.EXTERNAL)[0].mask.array == 0
    assert back.array[outside].max() == 0.0
    assert back.array.min() >= 0.0


def test_a_dose_region_cuts_the_dose_at_full_resolution_beside_an_outline():
    geometry = oblique_geometry((1.7, 2.3, 3.1))
    who = ball_patient(geometry, centre_mm=(11.0, -23.0, 37.0))
    region = Structure("region", ball(geometry, (11.0, -23.0, 37.0), 55.0), StructureRole.DOSE_REGION)
    who = who.with_structures((*who.structures, region))
    inputs = model_input(who)
    back = WayBack(inputs.region, inputs.geometry, who).dose(np.where(inputs.region, 40.0, 0.0))
    assert back.array[region.mask.array == 0].max() == 0.0 and back.array.max() == pytest.approx(40.0, rel=1e-4)


def test_channels_lie_on_the_targets_in_lps():
    patient = ball_patient(oblique_geometry(), centre_mm=(11.0, -23.0, 37.0))
    inputs = model_input(patient)
    position = points_mm(inputs.geometry)
    high = channel(inputs, "prescription") == 1.0
    assert np.allclose(position[high].mean(axis=0), (19.0, -33.0, 41.0), atol=0.7)
    any_target = channel(inputs, "prescription") > 0
    assert np.unique(channel(inputs, "prescription")[any_target]) == pytest.approx([0.8, 1.0])
    left = channel(inputs, "Parotid_L") > 0
    assert np.allclose(position[left].mean(axis=0), (56.0, -23.0, 57.0), atol=0.7)
    volume_cc = left.sum() * inputs.geometry.voxel_volume_cc
    assert volume_cc == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.05)
    assert channel(inputs, "Brainstem").max() == 0.0
    deep = np.linalg.norm(position - (11.0, -23.0, 37.0), axis=-1) < 70.0
    assert channel(inputs, "ct")[deep & inputs.region] == pytest.approx(0.02, abs=1e-5)


def test_signed_distance_of_a_ball():
    geometry = Geometry((50, 50, 60), (3.0, 4.0, 2.5), (0.0, 0.0, 0.0))
    centre = geometry.lps_of_index((np.asarray(geometry.shape) - 1) / 2)
    mask = ball(geometry, tuple(centre), 30.0)
    distance_mm = signed_distance(mask.array > 0, geometry.spacing_mm) * 50.0
    exact = np.linalg.norm(points_mm(geometry) - centre, axis=-1) - 30.0
    near = np.abs(exact) < 45
    voxel_mm = np.linalg.norm(geometry.spacing_mm)  # the mask's surface is a voxel wide
    assert np.abs(distance_mm - exact)[near].max() < voxel_mm
    assert np.abs(np.mean((distance_mm - exact)[near])) < 1.5


def test_without_an_external_contour_the_body_is_found_on_the_ct_and_cut_near_the_targets():
    patient = ball_patient()
    patient = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.EXTERNAL)
    region = dose_region(patient, AXIAL)
    body = ball_patient().structures[0].mask.array > 0
    heights = points_mm(AXIAL)[..., 2]
    target = points_mm(AXIAL)[patient.targets[1].mask.array > 0][:, 2]
    slab = (heights >= target.min() - CAUDAL_MARGIN_MM) & (heights <= target.max() + CRANIAL_MARGIN_MM)
    assert (region == (body & slab)).mean() > 0.995


def test_one_beam_follows_depth_and_distance():
    geometry = Geometry((21, 81, 41), (4.0, 4.0, 4.0), (-80.0, -160.0, -40.0))
    body = np.ones(geometry.shape, dtype=bool)
    target = ball(geometry, (0.0, 0.0, 0.0), 20.0).array > 0
    anterior = BeamArrangement((Beam(0.0),), (0.0, 0.0, 0.0))
    dose = beam_channels(anterior, [target], body, geometry)[0]
    axis = dose[10, :, 20]  # along the beam through the isocentre, anterior to posterior
    y_mm = geometry.origin_mm[1] + 4.0 * np.arange(81)
    source_mm = SOURCE_AXIS_DISTANCE_MM + y_mm
    wanted = np.exp(-ATTENUATION_PER_MM * (y_mm - y_mm[0])) / source_mm**2
    inner = slice(5, -5)
    ratio = axis[inner] / wanted[inner]
    assert ratio.std() / ratio.mean() < 0.01

    # The field diverges: its half width grows with the distance from the source.
    def half_width_mm(row: int) -> float:
        profile = dose[10, row]
        return float((profile > profile.max() / 2).sum() * 4.0 / 2)

    front, back = half_width_mm(8), half_width_mm(72)
    assert back > front
    assert half_width_mm(40) == pytest.approx(27.0, abs=4.0)  # 20 mm and the margin


def test_beams_are_attenuated_by_the_body_alone_and_end_with_it():
    geometry = Geometry((21, 81, 41), (4.0, 4.0, 4.0), (-80.0, -160.0, -40.0))
    body = np.zeros(geometry.shape, dtype=bool)
    body[:, 20:60, 10:] = True  # the front and the back are air, and so is a side
    target = ball(geometry, (0.0, 0.0, 0.0), 20.0).array > 0
    dose = beam_channels(BeamArrangement((Beam(0.0),), (0.0, 0.0, 0.0)), [target], body, geometry)[0]
    assert (dose[~body] == 0).all() and dose[body].max() > 1.0
    assert dose[body & target].mean() == pytest.approx(1.0, rel=1e-5)
    y_mm = geometry.origin_mm[1] + 4.0 * np.arange(81)[22:58]
    wanted = np.exp(-ATTENUATION_PER_MM * (y_mm - y_mm[0])) / (SOURCE_AXIS_DISTANCE_MM + y_mm) ** 2
    ratio = dose[10, 22:58, 20] / wanted
    assert ratio.std() / ratio.mean() < 0.01


@pytest.mark.parametrize(
    ("gantry_deg", "toward"), [(0, (0, -1, 0)), (90, (1, 0, 0)), (180, (0, 1, 0)), (270, (-1, 0, 0))]
)
def test_gantry_angles_are_iec_for_head_first_supine(gantry_deg, toward):
    geometry = Geometry((25, 41, 41), (4.0, 4.0, 4.0), (-80.0, -80.0, -48.0))
    target = ball(geometry, (0.0, 0.0, 0.0), 16.0).array > 0
    beams = BeamArrangement((Beam(float(gantry_deg)),), (0.0, 0.0, 0.0))
    dose = beam_channels(beams, [target], np.ones(geometry.shape, bool), geometry)[0]
    entry = np.rint(geometry.index_of_lps(np.asarray(toward) * 60.0)).astype(int)
    beyond = np.rint(geometry.index_of_lps(-np.asarray(toward) * 60.0)).astype(int)
    assert dose[tuple(entry)] > 1.5 * dose[tuple(beyond)] > 0


def test_beams_turn_about_the_plans_isocentre_where_it_has_one():
    """An anterior beam whose isocentre lies 60 mm in front of the target: so does its source."""
    geometry = Geometry((21, 81, 41), (4.0, 4.0, 4.0), (-80.0, -160.0, -40.0))
    target = ball(geometry, (0.0, 0.0, 0.0), 20.0).array > 0
    beams = BeamArrangement((Beam(0.0),), (0.0, -60.0, 0.0))
    dose = beam_channels(beams, [target], np.ones(geometry.shape, bool), geometry)[0]
    y_mm = geometry.origin_mm[1] + 4.0 * np.arange(81)
    wanted = np.exp(-ATTENUATION_PER_MM * (y_mm - y_mm[0])) / (SOURCE_AXIS_DISTANCE_MM + y_mm + 60.0) ** 2
    ratio = dose[10, 5:-5, 20] / wanted[5:-5]
    assert ratio.std() / ratio.mean() < 0.003


def test_the_last_voxels_of_a_volume_of_any_size_are_averaged_too():
    """Seven slices in threes: the last one is a third of its coarse voxel."""
    fine = Volume(np.ones((7, 8, 8), np.float32), Geometry((7, 8, 8), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    found = resample(fine, Geometry((3, 4, 4), (2.0, 2.0, 3.0), (0.5, 0.5, 1.0)))
    assert np.allclose(found[:2], 1.0) and np.allclose(found[2], 1 / 3, atol=1e-6)


def test_beam_lines_go_through_the_plans_isocentre_where_it_has_one():
    who = replace(ball_patient(), beams=BeamArrangement((Beam(0.0),), (40.0, 0.0, 0.0)))
    lines = model_input(who, (*CHANNELS, "beams_angles"))
    for x_mm, there in ((40.0, True), (8.0, False)):
        z, y, x = np.rint(lines.geometry.index_of_lps(np.array((x_mm, -40.0, 0.0)))).astype(int)
        assert (channel(lines, "beams_angles")[z, y, x] > 0.5) == there


def test_couch_turns_the_beam_out_of_the_axial_plane():
    assert np.allclose(Beam(90.0, 90.0).to_source, (0.0, 0.0, -1.0), atol=1e-12)
    assert np.allclose(Beam(0.0, 70.0).to_source, (0.0, -1.0, 0.0), atol=1e-12)


@pytest.mark.parametrize(
    "view",
    [
        View(True, False), View(False, True), View(True, True), View(False, False, 1), View(False, False, 2),
        View(True, False, 1), View(False, True, 3), View(True, True, 3), View(True, False, names_kept=True),
    ],
)  # fmt: skip
def test_the_view_of_an_input_is_the_input_of_the_mirrored_and_turned_patient(view):
    """Turned beams and all: a quarter brings the patient's left, where a gantry of 90 degrees is, to the front."""
    patient = ball_patient()
    partner = {"Parotid_L": "Parotid_R", "Parotid_R": "Parotid_L"} if view.mirrored and not view.names_kept else {}
    layers, height, width = AXIAL.shape
    odd = view.quarters % 2
    grid = Geometry(
        (layers, width, height) if odd else AXIAL.shape, AXIAL.spacing_mm,
        (AXIAL.origin_mm[odd], AXIAL.origin_mm[1 - odd], AXIAL.origin_mm[2]),
    )  # fmt: skip

    def moved(volume: Volume) -> Volume:
        # The grid is symmetric about 0 along each axis, so the moved patient is the moved array.
        assert volume.geometry == AXIAL
        array = volume.array[:, :, ::-1] if view.mirrored else volume.array
        array = array[::-1] if view.upside_down else array
        return Volume(np.rot90(array, view.quarters, axes=(1, 2)).copy(), grid)

    beams = tuple(
        Beam(((-beam.gantry_deg if view.mirrored else beam.gantry_deg) - 90.0 * view.quarters) % 360.0)
        for beam in patient.beams.beams
    )
    other = replace(
        patient,
        geometry=grid,
        ct=moved(patient.ct),
        structures=tuple(
            replace(s, mask=moved(s.mask), standard_name=partner.get(s.standard_name, s.standard_name))
            for s in patient.structures
        ),
        beams=BeamArrangement(beams),
    )
    seen, wanted = view.of(model_input(patient)), model_input(other)
    assert seen.channels.shape == wanted.channels.shape
    assert seen.geometry.shape == seen.region.shape
    assert np.array_equal(view.back(seen.region), model_input(patient).region)
    for name, ours, theirs in zip(CHANNELS, seen.channels, wanted.channels, strict=True):
        tolerance = 0.06 if name.startswith("beams") else 1e-6
        assert np.abs(ours - theirs).max() <= tolerance, name


def test_a_quarter_turn_takes_the_voxel_size_along():
    wide = Geometry((40, 44, 48), (4.0, 3.2, 3.0), (-94.0, -68.8, -58.5))
    inputs = model_input(ball_patient(wide))
    turned = inputs.quarter_turned(1)
    assert turned.geometry.spacing_mm == (3.2, 4.0, 3.0)
    x, y = SCALARS.index("spacing_x"), SCALARS.index("spacing_y")
    assert (turned.scalars[x], turned.scalars[y]) == (inputs.scalars[y], inputs.scalars[x])
    assert inputs.scalars[x] != inputs.scalars[y], "not the same to begin with"
    again = turned.quarter_turned(3)
    assert np.array_equal(again.channels, inputs.channels) and np.array_equal(again.scalars, inputs.scalars)


@pytest.mark.parametrize(("upside_down", "different"), [(True, 16), (False, 8)])
def test_samples_of_turned_patients_see_every_view_once_before_they_repeat(upside_down, different):
    views = [KnownViews(upside_down, quarter_turns=True).of_sample(index, 16) for index in range(16)]
    assert views[0] == View(False, False) and len(set(views)) == different
    assert [view.quarters for view in views[:4]] == [0, 1, 2, 3]


def test_missing_conditions_look_the_same_in_training_and_prediction():
    patient = ball_patient()
    full = model_input(patient)
    no_ct, no_beams = model_input(replace(patient, ct=None)), model_input(replace(patient, beams=None))
    for dropped, missing in ((full.without("ct"), no_ct), (full.without("beams"), no_beams)):
        assert np.array_equal(dropped.channels, missing.channels)
        assert np.array_equal(dropped.scalars, missing.scalars)
    assert full.scalars[SCALARS.index("has_ct")] == 1.0
    assert no_beams.scalars[SCALARS.index("has_beams")] == 0.0


def test_targets_outside_the_body_are_refused():
    patient = ball_patient()
    far = Structure("PTV70", ball(AXIAL, (88.0, 80.0, 50.0), 6.0), StructureRole.TARGET, None, 70.0)
    others = [s for s in patient.structures if s.role is not StructureRole.TARGET]
    with pytest.raises(InputError, match="lie outside its body"):
        model_input(patient.with_structures([*others, far]))


def test_a_patient_without_ct_and_outline_is_refused():
    patient = replace(ball_patient(), ct=None)
    patient = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.EXTERNAL)
    with pytest.raises(InputError, match="neither a CT nor an external"):
        model_input(patient)


@pytest.mark.parametrize("at_mm", [(0.3, 0.2, 0.1), (1.9, 1.9, 1.2), (2.1, 0.4, 1.3)])
def test_a_target_smaller_than_a_voxel_of_the_model_keeps_its_place_and_takes_no_others_level(at_mm):
    fine = Geometry((60, 60, 60), (1.0, 1.0, 2.5), (-30.0, -40.0, -70.0))
    tiny = np.zeros(fine.shape, np.uint8)
    tiny[28:30, 30:32, 30:33] = 1
    shifted = replace(fine, origin_mm=tuple(a + b for a, b in zip(fine.origin_mm, at_mm, strict=True)))
    boost = Structure("PTV70", Volume(tiny, shifted), StructureRole.TARGET, None, 70.0)
    large = next(s for s in ball_patient().structures if s.name == "PTV56")
    others = tuple(s for s in ball_patient().structures if s.role is not StructureRole.TARGET)
    inputs = model_input(replace(ball_patient(), structures=(*others, large, boost)))
    levels = channel(inputs, "prescription")
    place = inputs.geometry.lps_of_index(np.argwhere(levels > 0.99)).mean(axis=0)
    wanted = shifted.lps_of_index(np.argwhere(tiny)).mean(axis=0)
    assert np.abs(place - wanted).max() < 3.0
    assert np.unique(levels.astype(np.float32)) == pytest.approx([0.0, 0.8, 1.0], abs=1e-3)
    assert (levels > 0.99).sum() * inputs.geometry.voxel_volume_cc < 0.3


def test_a_highest_target_outside_the_body_is_refused():
    body, tumour, *others = ball_patient().structures
    away = replace(tumour, mask=ball(AXIAL, (0.0, 0.0, 57.0), 3.0))
    inside = replace(body, mask=ball(AXIAL, (0.0, 0.0, -10.0), 50.0))
    with pytest.raises(InputError, match="with the highest prescription lie outside its body"):
        model_input(replace(ball_patient(), structures=(inside, away, *others)))


def test_metal_and_what_lies_beyond_the_scanner_are_cut_to_the_range_of_tissue():
    """HU over 1000 between -1 and 1.5: teeth stay, implants and the corners of the reconstruction are cut."""
    patient = ball_patient()
    hu = patient.ct.array.copy()
    values = {(20, 20, 20): 3071, (20, 20, 21): 1400, (20, 20, 22): -2000, (20, 20, 23): -700}
    for place, value in values.items():
        hu[place] = value
    inputs = model_input(replace(patient, ct=Volume(hu, AXIAL)))
    ct, start = channel(inputs, "ct"), np.rint(AXIAL.index_of_lps(np.asarray(inputs.geometry.origin_mm))).astype(int)
    found = [float(ct[tuple(np.asarray(place) - start)]) for place in values]
    assert found == pytest.approx([1.5, 1.4, -1.0, -0.7])


def test_padding_goes_on_as_the_space_far_from_all_targets():
    inputs = model_input(ball_patient())
    shape = tuple(size + 4 for size in inputs.region.shape)
    padded = inputs.padded_channels(shape, (1, 2, 3))
    beyond = np.ones(shape, bool)
    beyond[1:-3, 2:-2, 3:-1] = False
    for name, values in zip(inputs.names, padded, strict=True):
        assert (values[beyond] == (2.0 if name.startswith("distance_") else 0.0)).all(), name
        assert np.array_equal(values[1:-3, 2:-2, 3:-1], channel(inputs, name))


@pytest.mark.parametrize("geometry", [oblique_geometry(), Geometry((70, 101, 99), (0.98, 0.98, 1.0), (5.0, -7.0, 3.0))])
def test_the_model_s_grid_holds_all_of_the_patient_in_its_middle(geometry):
    grid = model_geometry(geometry)
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in geometry.shape], indexing="ij")).reshape(3, -1).T
    index = grid.index_of_lps(geometry.lps_of_index(corners))
    before, beyond = index.min(axis=0) + 0.5, np.asarray(grid.shape) - 0.5 - index.max(axis=0)
    assert (before >= -1e-5).all() and (beyond >= -1e-5).all()
    assert before == pytest.approx(beyond, abs=1e-6)
    assert (before + beyond < 1.0).all(), "no slice more than it takes"


def test_air_within_the_body_belongs_to_it():
    """Without an external contour: a lung or a bowel full of gas is no hole in the patient."""
    patient = ball_patient()
    cavity = ball(AXIAL, (-20.0, 10.0, 0.0), 18.0).array > 0
    patient = patient.with_structures(s for s in patient.structures if s.role is not StructureRole.EXTERNAL)
    hollow = replace(patient, ct=Volume(np.where(cavity, np.int16(-900), patient.ct.array), AXIAL))
    assert body_mask(hollow, AXIAL)[cavity].all()
    assert (body_mask(hollow, AXIAL) == body_mask(patient, AXIAL)).all()
