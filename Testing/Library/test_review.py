"""Warnings: each raised by a patient or dose that gives cause for it, and by no other."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from phantom import AXIAL, ball, ball_patient, points_mm
from tiny import tiny_weights

from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import model_input
from DosePredictionLib.dosimetry.structure_expression import structures_named
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import OPENKBP_BEAMS, Beam, BeamArrangement
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.resources import resource_path
from DosePredictionLib.review.measures import (
    body_of,
    cut_off_slices_percent,
    dose_outline,
    hot_spot_outside_targets,
    mean_std_percent,
    near_skin_percent,
    outside_percent,
    target_to_ct_end_mm,
    volume_above_hu_cc,
)
from DosePredictionLib.review.review import review_prediction
from DosePredictionLib.review.review_warning import ReviewWarning
from DosePredictionLib.review.thresholds import read_thresholds

pytestmark = pytest.mark.usefixtures("worker_thread")

OPENKBP = "OpenKBP training set: 196 head-and-neck patients"


def dose_gy() -> Volume:
    """A dose that stays below the prescription outside the targets."""
    distance = np.linalg.norm(points_mm(AXIAL) - (8.0, -10.0, 4.0), axis=-1)
    return Volume((71.0 * np.exp(-((distance / 45.0) ** 4))).astype(np.float32), AXIAL)


def ordinary() -> Patient:
    """A patient like those of the training set."""
    return replace(ball_patient(), technique="IMRT")


def ids(patient: Patient, dose: Volume | None = None, std: Volume | None = None, **options) -> list[str]:
    options = {"trained_on": OPENKBP, **options}
    return [warning.id for warning in review_prediction(patient, dose or dose_gy(), std, **options)]


def retargeted(patient: Patient, **prescriptions: float) -> Patient:
    return patient.with_structures(
        replace(s, prescription_gy=prescriptions.get(s.name, s.prescription_gy)) for s in patient.structures
    )


def test_an_ordinary_patient_gets_none() -> None:
    assert ids(ordinary()) == []


def test_the_sample_patient_and_its_reference_dose_get_none() -> None:
    patient = read_patient(resource_path("SampleData", "openkbp-pt_236"))
    assert patient.reference_dose is not None
    assert ids(patient, patient.reference_dose) == []


@pytest.mark.parametrize(
    ("prescriptions", "words"),
    [
        ({"PTV70": 30.0, "PTV56": 25.0}, "highest prescription is 30 Gy, trained were 70 Gy"),
        ({"PTV70": 80.0, "PTV56": 66.0}, "highest prescription is 80 Gy"),
        ({"PTV56": 45.0}, "PTV56 has 64 % of the highest, trained were 80 to 90 %"),
    ],
)
def test_prescriptions_beyond_the_training_range(prescriptions: dict[str, float], words: str) -> None:
    patient = replace(retargeted(ordinary(), **prescriptions), fractions=None)
    (warning,) = [w for w in review_prediction(patient, dose_gy(), trained_on=OPENKBP) if w.id == "prescription-unseen"]
    assert words in warning.text and warning.explanation
    assert warning.evidence["highest_prescription_gy"] == patient.prescription_gy


def test_prescriptions_close_to_the_training_range_are_let_pass() -> None:
    assert ids(replace(retargeted(ordinary(), PTV70=66.0, PTV56=54.0), fractions=33)) == []


def test_four_dose_levels_are_more_than_were_trained() -> None:
    more = [
        Structure(f"PTV{gy}", ball(AXIAL, (8, -10, 4), 12.0), StructureRole.TARGET, None, gy) for gy in (60.0, 63.0)
    ]
    patient = ordinary().with_structures((*ordinary().structures, *more))
    (warning,) = review_prediction(patient, dose_gy(), trained_on=OPENKBP)
    assert "4 dose levels" in warning.text


def test_a_target_that_the_dose_overlooks() -> None:
    far = Structure("PTVn_70", ball(AXIAL, (-60, -10, 4), 6.0), StructureRole.TARGET, None, 70.0)
    patient = ordinary().with_structures((*ordinary().structures, far))
    (warning,) = [w for w in review_prediction(patient, dose_gy(), trained_on=OPENKBP) if w.id == "target-underdosed"]
    inside = far.mask.array != 0
    assert warning.evidence["PTVn_70_median_gy"] == pytest.approx(float(np.median(dose_gy().array[inside])), abs=0.01)
    assert "PTVn_70" in warning.text and "PTV56" not in warning.text


def test_another_fractionation() -> None:
    assert ids(replace(ordinary(), fractions=20)) == ["fractionation-unseen"]
    assert ids(replace(ordinary(), fractions=None)) == []


def test_another_site() -> None:
    assert ids(replace(ordinary(), site="prostate")) == ["site-unseen"]
    assert ids(replace(ordinary(), site="Head and Neck")) == []
    assert ids(replace(ordinary(), site=None)) == [], "its organs tell"
    thorax = ordinary().with_structures(
        s for s in ordinary().structures if s.standard_name not in ("Parotid_L", "Parotid_R")
    )
    assert "site-unseen" in ids(replace(thorax, site=None)), "every site has a spinal cord"


def test_parotids_on_the_wrong_sides() -> None:
    names = {"Parotid_L": "Parotid_R", "Parotid_R": "Parotid_L"}
    swapped = ordinary().with_structures(
        replace(s, standard_name=names.get(s.standard_name or "", s.standard_name)) for s in ordinary().structures
    )
    (warning,) = review_prediction(swapped, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "sides-swapped"
    assert warning.evidence["left_x_lps_mm"] < 0 < warning.evidence["right_x_lps_mm"]


def test_an_isocentre_far_from_the_targets() -> None:
    beams = replace(OPENKBP_BEAMS, isocentre_mm=(8.0, -10.0, 184.0))  # 180 mm above the middle of a target of 30 mm
    (warning,) = review_prediction(replace(ordinary(), beams=beams), dose_gy(), trained_on=OPENKBP)
    assert warning.id == "isocentre-far" and warning.evidence["apart_mm"] == pytest.approx(153.0, abs=4.0)
    assert ids(replace(ordinary(), beams=replace(OPENKBP_BEAMS, isocentre_mm=(0.0, 0.0, 40.0)))) == []


def test_an_outline_that_is_found_on_the_ct_is_told() -> None:
    bare = ordinary().with_structures(s for s in ordinary().structures if s.role is not StructureRole.EXTERNAL)
    assert ids(bare) == ["outline-guessed"]


def test_an_organ_put_aside_for_another_is_no_organ() -> None:
    def put_aside(role: StructureRole) -> Patient:
        return ordinary().with_structures(
            replace(s, role=role) if s.standard_name == "Parotid_L" else s for s in ordinary().structures
        )

    for role in (StructureRole.OTHER, StructureRole.IGNORED):
        patient = put_aside(role)
        assert patient.standard("Parotid_L") is None
        assert "organs-missing" in ids(patient)
        inputs = model_input(patient, ("Parotid_L", "Parotid_R"))
        assert not inputs.channels[0].any() and inputs.channels[1].any()
    real = next(s for s in ordinary().structures if s.standard_name == "Parotid_L")
    old = replace(real, name="old", role=StructureRole.OTHER, mask=ball(AXIAL, (-40.0, 0.0, 20.0), 5.0))
    both = ordinary().with_structures((old, *ordinary().structures))
    assert structures_named("Parotid_L", both)[0].name == real.name, "goals judge the organ that the model saw"
    organless = ordinary().with_structures(s for s in ordinary().structures if s.role is not StructureRole.OAR)
    assert ids(replace(organless, site=None)) == ["site-unseen", "organs-missing"]


def test_another_technique() -> None:
    assert ids(replace(ordinary(), technique="VMAT")) == ["technique-unseen"]
    arc = BeamArrangement(tuple(Beam(float(angle)) for angle in range(0, 360, 4)))
    (warning,) = review_prediction(replace(ordinary(), beams=arc), dose_gy(), trained_on=OPENKBP)
    assert "90 beam directions instead of 9" in warning.text and warning.evidence["beam_directions"] == 90
    turned = BeamArrangement(tuple(replace(beam, couch_deg=30.0) for beam in OPENKBP_BEAMS.beams))
    (warning,) = review_prediction(replace(ordinary(), beams=turned), dose_gy(), trained_on=OPENKBP)
    assert "9 beams with a turned couch" in warning.text
    assert ids(replace(ordinary(), beams=None, technique=None)) == []


def test_an_organ_that_every_training_patient_had_is_missed() -> None:
    without = ordinary().with_structures(s for s in ordinary().structures if s.standard_name != "SpinalCord")
    (warning,) = review_prediction(without, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "organs-missing" and "SpinalCord (95 %)" in warning.text
    assert warning.evidence["Larynx_in_training_percent"] == 49, "others that are missing stand in the evidence"
    assert ids(without, channels=("ct", "Brainstem")) == [], "a model that has no channel for it does not miss it"


def test_weights_of_unknown_training_say_so() -> None:
    assert ids(ordinary(), trained_on="my own plans") == ["training-unknown"]
    (_, organs) = review_prediction(ordinary(), dose_gy(), trained_on="my own plans", channels=("ct", "Larynx"))
    assert organs.id == "organs-missing" and organs.text.endswith("look for: Larynx.")
    assert ids(replace(ordinary(), site="prostate"), trained_on=None) == [], "a clinical dose was not predicted"


def moved_target(x: float) -> Patient:
    target = Structure("PTV70", ball(AXIAL, (x, 0.0, 0.0), 17.0), StructureRole.TARGET, None, 70.0)
    rest = [s for s in ordinary().structures if s.role is not StructureRole.TARGET]
    return ordinary().with_structures((*rest, target))


def test_a_target_at_the_skin() -> None:
    # The body is a ball of 78 mm: at x = 70 mm the target reaches 9 mm beyond it, at 40 mm it keeps 21 mm off.
    body = body_of(moved_target(70.0))
    assert body is not None
    near = near_skin_percent(moved_target(70.0).targets[0], body, 5.0)
    points = points_mm(AXIAL)[moved_target(70.0).targets[0].mask.array > 0]
    wanted = 100.0 * np.mean(78.0 - np.linalg.norm(points, axis=-1) < 5.0)
    assert near == pytest.approx(wanted, abs=12.0), "to half a voxel"
    assert near_skin_percent(moved_target(40.0).targets[0], body, 5.0) == 0.0
    assert "target-near-skin" in ids(moved_target(70.0), Volume(np.zeros(AXIAL.shape, np.float32), AXIAL))
    assert "target-near-skin" not in ids(moved_target(40.0), Volume(np.zeros(AXIAL.shape, np.float32), AXIAL))


def cut_at(patient: Patient, name: str, x_mm: float) -> Patient:
    """The patient with a structure cut off beyond an x."""
    beyond = points_mm(AXIAL)[..., 0] > x_mm

    def cut(structure: Structure) -> Structure:
        mask = np.where(beyond, 0, structure.mask.array).astype(np.uint8)
        return replace(structure, mask=Volume(mask, AXIAL)) if structure.name == name else structure

    return patient.with_structures(cut(structure) for structure in patient.structures)


def test_an_organ_and_a_target_partly_outside_the_external_contour() -> None:
    # The left parotid is a ball of 12 mm at x = 45 mm: cut at its middle, half of it lies outside, the targets don't.
    half = cut_at(ordinary(), "Body", 45.0)
    parotid = half.standard("Parotid_L")
    outline = dose_outline(half, body_of(half))
    assert parotid is not None and outline is not None and outline.name == "the external contour"
    wanted = 100.0 * np.mean(points_mm(AXIAL)[parotid.mask.array > 0][:, 0] > 45.0)
    assert wanted == pytest.approx(50.0, abs=12.0) and outside_percent(parotid, outline, 20.0) == pytest.approx(wanted)
    (warning,) = [w for w in review_prediction(half, dose_gy(), trained_on=OPENKBP) if w.id == "structure-outside"]
    assert warning.text == f"Outside the external contour lie {wanted:.0f} % of Parotid left."
    assert warning.evidence["Parotid left_outside_percent"] == pytest.approx(wanted, abs=0.1)
    # Through the targets, too: their highest, a ball of 17 mm at x = 8 mm, and the larger one, of 30 mm at x = 4 mm.
    more = review_prediction(cut_at(ordinary(), "Body", 15.0), dose_gy(), trained_on=OPENKBP)
    (text,) = [w.text for w in more if w.id == "structure-outside"]
    assert all(name in text for name in ("PTV70", "PTV56", "100 % of Parotid left")) and "Cord" not in text


@pytest.mark.parametrize(("x_mm", "told"), [(32.0, False), (28.0, True)])
def test_little_of_a_target_outside_matters_more_than_of_an_organ(x_mm: float, told: bool) -> None:
    # The larger target, a ball of 30 mm at x = 4 mm, ends at 34 mm: caps of 2 and of 6 mm are 0.3 % and 2.8 % of it.
    alone = ordinary().with_structures(s for s in ordinary().structures if "arotid" not in s.name)
    beyond = cut_at(alone, "Body", x_mm)
    outline = dose_outline(beyond, None)
    assert outline is not None
    percent = outside_percent(beyond.targets[1], outline, 20.0)
    assert percent < 5.0
    assert ("structure-outside" in ids(beyond)) == told == (percent >= 1.0)


def test_structures_that_only_help_may_lie_outside() -> None:
    far = ball(AXIAL, (85.0, 70.0, 0.0), 8.0)
    ring = Structure("ring", far, StructureRole.OTHER)
    couch = Structure("couch", far, StructureRole.IGNORED)
    heart = Structure("heart", far, StructureRole.OTHER, "Heart")
    assert "structure-outside" not in ids(ordinary().with_structures((*ordinary().structures, ring, couch)))
    assert "structure-outside" in ids(ordinary().with_structures((*ordinary().structures, heart)))


def test_a_dose_region_ends_before_the_organs_do_but_not_beside_them() -> None:
    body = ordinary().structures[0]
    z = points_mm(AXIAL)[..., 2]
    slab = Volume(((body.mask.array > 0) & (abs(z) < 34.0)).astype(np.uint8), AXIAL)
    cord = Structure("Cord", Volume((np.hypot(*(points_mm(AXIAL)[..., :2] - (0.0, 45.0)).T).T < 8.0).astype(np.uint8),
                                    AXIAL), StructureRole.OAR, "SpinalCord")  # fmt: skip
    rest = [s for s in ordinary().structures if s.name not in ("Body", "Cord")]
    region = Structure("region", slab, StructureRole.DOSE_REGION)
    whole = ordinary().with_structures((*rest, cord, region))
    outline = dose_outline(whole, None)
    assert outline is not None and outline.name == "the dose region"
    assert outside_percent(cord, outline, 20.0) == 0.0, "what lies beyond its ends is let pass"
    assert outside_percent(cord, replace(outline, ends_early=False), 20.0) > 30.0
    assert "structure-outside" not in ids(whole)
    beside = cut_at(ordinary().with_structures((*rest, cord, region)), "region", 30.0)
    assert "structure-outside" in ids(beside), "the left parotid lies beside the region, in the middle of it"


def test_without_an_outline_nothing_is_said_of_what_lies_outside() -> None:
    bare = replace(ordinary(), ct=None).with_structures(s for s in ordinary().structures if s.name != "Body")
    assert dose_outline(bare, body_of(bare)) is None and "structure-outside" not in ids(bare)
    seen = replace(bare, ct=ordinary().ct)
    outline = dose_outline(seen, body_of(seen))
    assert outline is not None and outline.name == "the body seen in the CT" and outline.coarse
    assert "structure-outside" not in ids(seen)


def test_the_body_comes_from_the_ct_without_an_external_and_never_from_a_dose_region() -> None:
    bare = ordinary().with_structures(s for s in ordinary().structures if s.role is not StructureRole.EXTERNAL)
    region = Structure("region", ball(AXIAL, (0, 0, 0), 40.0), StructureRole.DOSE_REGION)
    body = body_of(bare.with_structures((*bare.structures, region)))
    assert body is not None
    wanted = ordinary().structures[0].mask.array > 0
    assert np.count_nonzero(body.inside != wanted) < 0.02 * wanted.sum()
    assert body_of(replace(bare, ct=None)) is None


def test_metal() -> None:
    ct = ordinary().ct
    assert ct is not None
    with_metal = Volume(ct.array.copy(), AXIAL)
    with_metal.array[ball(AXIAL, (0, -40, 0), 14.0).array > 0] = 3000
    patient = replace(ordinary(), ct=with_metal)
    assert volume_above_hu_cc(with_metal, 2500.0) == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.05)
    (warning,) = review_prediction(patient, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "ct-metal" and warning.evidence["volume_cc"] == pytest.approx(11.5, abs=0.6)


def cropped(patient: Patient, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Patient:
    """The patient on a smaller CT."""
    assert patient.ct is not None
    geometry = patient.geometry.cropped(start, shape)
    window = tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))
    return replace(patient, geometry=geometry, ct=Volume(patient.ct.array[window].copy(), geometry))


def test_a_body_cut_off_at_the_side_and_a_ct_that_ends_too_early() -> None:
    # 48 columns of 4 mm around a ball of 78 mm radius: without the first 12 the ball is cut 46 mm from its centre.
    narrow = cropped(ordinary(), (0, 0, 12), (40, 44, 36))
    body = body_of(narrow)
    assert body is not None and cut_off_slices_percent(narrow, body, 20.0) == 100.0
    (warning,) = review_prediction(narrow, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "ct-truncated" and "in 100 % of the slices" in warning.text
    # The highest target voxel lies at z = 28.5 mm, the last slice now at 34.5 mm.
    short = cropped(ordinary(), (0, 0, 0), (32, 44, 48))
    assert target_to_ct_end_mm(short) == pytest.approx(6.0)
    (warning,) = review_prediction(short, dose_gy(), trained_on=OPENKBP)
    assert warning.id == "ct-truncated" and "the CT ends 6 mm from a target" in warning.text
    whole = body_of(ordinary())
    assert whole is not None and cut_off_slices_percent(ordinary(), whole, 20.0) == 0.0


@pytest.mark.parametrize("degrees", [0.0, 1.0, 5.0, 20.0])
def test_a_body_cut_off_is_seen_however_the_ct_is_rolled(degrees: float) -> None:
    a = np.radians(degrees)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    origin = turn @ np.array([-46.0, -86.0, -58.5])
    rolled = Geometry((40, 44, 36), (4.0, 4.0, 3.0), tuple(origin), tuple(turn.ravel()))
    patient = ball_patient(rolled)
    body = body_of(patient)
    assert body is not None
    assert cut_off_slices_percent(patient, body, 20.0) == 100.0
    assert near_skin_percent(patient.structures[1], body, 5.0) < 20.0, "beyond the CT may be body"


def test_a_hot_spot_outside_the_targets() -> None:
    dose = dose_gy()
    dose.array[ball(AXIAL, (-45.0, 20.0, 0.0), 12.0).array > 0] = 74.0
    spot = hot_spot_outside_targets(ordinary(), dose, 70.0, 5.0)
    assert spot.volume_cc == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.06) and spot.maximum_gy == 74.0
    assert spot.centre_mm is not None and np.linalg.norm(np.subtract(spot.centre_mm, (-45.0, 20.0, 0.0))) < 13.0
    (warning,) = review_prediction(ordinary(), dose, trained_on=OPENKBP)
    assert warning.id == "hot-spot-outside-targets" and warning.evidence["maximum_gy"] == 74.0
    small = dose_gy()
    small.array[ball(AXIAL, (-45.0, 20.0, 0.0), 6.0).array > 0] = 74.0
    assert ids(ordinary(), small) == [], "0.9 cc are below the 1.77 cc of ICRU 62"
    inside = dose_gy()
    inside.array[ball(AXIAL, (8.0, -10.0, 4.0), 15.0).array > 0] = 90.0
    assert ids(ordinary(), inside) == [], "inside a target it is none"


def test_unusually_high_uncertainty() -> None:
    dose = dose_gy()
    low, high = (Volume(np.full(AXIAL.shape, gy, np.float32), AXIAL) for gy in (0.5, 2.1))
    assert mean_std_percent(dose, high, 70.0, 20.0) == pytest.approx(3.0)
    limit_percent = read_thresholds().by_id["uncertainty-high"]["at_least_percent"]
    assert 0.5 / 70.0 * 100.0 < limit_percent
    assert ids(ordinary(), dose, low) == []
    above = Volume(np.full(AXIAL.shape, 0.7 * (limit_percent + 0.2), np.float32), AXIAL)
    assert ids(ordinary(), dose, above) == ["uncertainty-high"]
    # Weights that say what is usual for them are held against that.
    assert ids(ordinary(), dose, above, unusual_percent=limit_percent + 0.3) == []
    (warning,) = review_prediction(ordinary(), dose, low, trained_on=OPENKBP, unusual_percent=0.6)
    assert warning.id == "uncertainty-high" and warning.evidence["threshold_percent"] == 0.6


def test_every_warning_has_text_reason_and_figures_and_survives_json() -> None:
    strange = cropped(
        replace(moved_target(70.0), site="pelvis", technique="VMAT", fractions=5), (8, 0, 12), (24, 44, 36)
    )
    found = review_prediction(strange, dose_gy(), trained_on=OPENKBP)
    assert len({warning.id for warning in found}) >= 5
    for warning in found:
        assert warning.text.endswith(".") and warning.explanation.endswith(".") and warning.evidence
        assert ReviewWarning.from_dict(json.loads(json.dumps(asdict(warning)))) == warning


def test_the_thresholds_say_why_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    content = json.loads(resource_path("Review", "thresholds.json").read_text(encoding="utf-8"))
    assert len(content["calibration"]["weights_sha256"]) == 64 and "40 validation" in content["calibration"]["data"]
    for entry in content["thresholds"].values():
        assert entry["why"] and 0.0 <= entry["validation_share_percent"] <= 15.0, "ordinary patients get few"
    (tmp_path / "broken.json").write_text('{"thresholds": []}', encoding="utf-8")
    with pytest.raises(InputError, match="broken.json"):
        read_thresholds(tmp_path / "broken.json")


def test_predict_tells_warnings_on_the_terminal_in_json_and_in_the_report(tmp_path: Path, capsys) -> None:
    write_patient_folder(ordinary(), tmp_path / "ball")
    weights = tiny_weights(tmp_path / "tiny.safetensors")
    out = tmp_path / "out"
    assert main(["predict", str(tmp_path / "ball"), "-o", str(out), "--weights", str(weights), "--device", "cpu",
                 "--report"]) == 0  # fmt: skip
    made = json.loads((out / "prediction.json").read_text(encoding="utf-8"))
    (warning,) = [entry for entry in made["review"] if entry["id"] == "training-unknown"]
    assert warning["text"] in made["warnings"]
    assert f"Warning: {warning['text']}" in capsys.readouterr().err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count(warning["text"]) == 1 and 'data-id="training-unknown"' in page


def test_a_large_ct_is_looked_at_on_a_coarse_grid() -> None:
    fine = Geometry((80, 88, 96), (2.0, 2.0, 1.5), (-95.0, -87.0, -59.25))
    patient = ball_patient(fine)
    body = body_of(patient)
    assert body is not None and body.inside.size < 0.2 * np.prod(fine.shape)
