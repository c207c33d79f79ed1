"""RTPLAN: prescription, fractions, technique, beam angles and isocentre; and what becomes of the structures' roles."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_phantom import Study, arc_beam, item, prescription, static_beam, write_plan

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import Beam
from DosePredictionLib.patient.dicom_plan import DicomPlan, read_plan
from DosePredictionLib.patient.dicom_roles import with_prescriptions, with_types
from DosePredictionLib.patient.dicom_structures import RegionOfInterest
from DosePredictionLib.patient.naming import match_structure_names
from DosePredictionLib.patient.structure import StructureRole

ISOCENTRE = (12.5, -30.0, 104.25)


def plan_of(tmp_path, ct_position: str = "", **content) -> DicomPlan:
    return read_plan(write_plan(tmp_path / "plan.dcm", Study(), **content), ct_position)


def gantry(plan: DicomPlan) -> list[float]:
    return [beam.gantry_deg for beam in plan.beams.beams]


def test_static_fields_with_moving_leaves_are_imrt(tmp_path):
    beams = [static_beam(i + 1, angle, ISOCENTRE) for i, angle in enumerate((0, 52, 104.5))]
    plan = plan_of(tmp_path, beams=beams, fractions=(33,))
    assert (plan.technique, plan.fractions, plan.beam_count) == ("IMRT", 33, 3)
    assert gantry(plan) == [0.0, 52.0, 104.5]
    assert plan.beams.isocentre_mm == pytest.approx(ISOCENTRE)
    assert plan.warnings == ()


def test_open_fields_are_conformal_and_setup_fields_are_none(tmp_path):
    setup = static_beam(3, 0.0, ISOCENTRE)
    setup.TreatmentDeliveryType = "SETUP"
    beams = [static_beam(1, 90.0, ISOCENTRE, segments=1), static_beam(2, 270.0, ISOCENTRE, segments=1), setup]
    plan = plan_of(tmp_path, beams=beams)
    assert plan.technique == "3DCRT" and plan.beam_count == 2 and gantry(plan) == [90.0, 270.0]


@pytest.mark.parametrize(
    ("angles", "direction", "count", "some"),
    [
        (np.linspace(181.0, 539.0, 90) % 360, "CW", 37, (181.0, 0.0, 179.0)),
        (np.linspace(179.0, -179.0, 179) % 360, "CC", 37, (179.0, 0.0, 181.0)),
        ((30.0, 330.0), "CC", 7, (30.0, 0.0, 330.0)),
        ((30.0, 330.0), "CW", 31, (30.0, 180.0, 330.0)),
    ],
)
def test_an_arc_is_fields_about_ten_degrees_apart(tmp_path, angles, direction, count, some):
    plan = plan_of(tmp_path, beams=[arc_beam(1, angles, direction, ISOCENTRE)])
    assert plan.technique == "VMAT" and plan.beam_count == 1
    found = np.array(gantry(plan))
    assert len(found) == count
    for angle in some:
        assert np.abs((found - angle + 180) % 360 - 180).min() <= 5.0
    steps = np.abs((np.diff(found) + 180) % 360 - 180)
    assert steps.max() <= 10.0 + 1e-6


@pytest.mark.parametrize("position", ["HFS", "HFP", "FFS", "FFP"])
@pytest.mark.parametrize(("angle", "couch"), [(0.0, 0.0), (40.0, 0.0), (270.0, 0.0), (70.0, 30.0), (310.0, 345.0)])
def test_angles_are_those_of_a_patient_lying_head_first_supine(tmp_path, position, angle, couch):
    """The field reaches the patient from where it does in the room, by the patient's own axes there."""
    plan = plan_of(tmp_path, beams=[static_beam(1, angle, ISOCENTRE, couch)], position=position)
    # Fixed IEC room: x to the right when facing the gantry, y into the gantry, z up; the table turns about z.
    g, c = np.radians([angle, couch])
    source = np.array([np.sin(g), 0.0, np.cos(g)])
    on_table = np.array([np.cos(c) * source[0], -np.sin(c) * source[0], source[2]])
    left, up, head = {
        "HFS": ((1, 0, 0), (0, 0, 1), (0, 1, 0)), "HFP": ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
        "FFS": ((-1, 0, 0), (0, 0, 1), (0, -1, 0)), "FFP": ((1, 0, 0), (0, 0, -1), (0, -1, 0)),
    }[position]  # fmt: skip
    wanted = [np.dot(on_table, left), -np.dot(on_table, up), np.dot(on_table, head)]
    assert plan.beams.beams[0].to_source == pytest.approx(wanted, abs=1e-5)


def test_an_unknown_position_and_several_isocentres_are_told(tmp_path):
    plan = plan_of(tmp_path, beams=[static_beam(1, 0.0, ISOCENTRE)], position="HFDL")
    assert plan.beams is None and "HFDL" in plan.warnings[0]
    plan = plan_of(tmp_path, beams=[static_beam(1, 0.0, ISOCENTRE), static_beam(2, 9.0, (0, 0, 0))])
    assert plan.beams.isocentre_mm is None and "several isocentres" in plan.warnings[0]


def source(plan: DicomPlan) -> list[float]:
    (beam,) = plan.beams.beams
    return beam.to_source.round(6).tolist()


def test_a_beam_has_the_position_of_the_setup_that_it_refers_to(tmp_path):
    beam = static_beam(1, 90.0, ISOCENTRE)
    beam.ReferencedPatientSetupNumber = 1
    setups = [item(PatientSetupNumber=1, PatientPosition="FFS"), item(PatientSetupNumber=2, PatientPosition="HFS")]
    plan = plan_of(tmp_path, beams=[beam], PatientSetupSequence=setups, ct_position="FFS")
    assert source(plan) == [-1.0, 0.0, 0.0] and plan.warnings == ()
    beam.ReferencedPatientSetupNumber = 2
    assert source(plan_of(tmp_path, beams=[beam], PatientSetupSequence=setups)) == [1.0, 0.0, 0.0]
    beams = [static_beam(1, 90.0, ISOCENTRE), static_beam(2, 90.0, ISOCENTRE)]
    for number, one in enumerate(beams, start=1):
        one.ReferencedPatientSetupNumber = number
    plan = plan_of(tmp_path, beams=beams, PatientSetupSequence=setups)
    assert [round(one.to_source[0], 6) for one in plan.beams.beams] == [-1.0, 1.0]


def test_a_position_that_the_plan_does_not_give_is_the_cts_or_there_are_no_beams(tmp_path):
    beams = [static_beam(1, 90.0, ISOCENTRE)]
    plan = plan_of(tmp_path, beams=beams, PatientSetupSequence=[], ct_position="HFP")
    assert source(plan) == [-1.0, 0.0, 0.0] and "the CT's position, HFP, was taken" in plan.warnings[0]
    plan = plan_of(tmp_path, beams=beams, PatientSetupSequence=[])
    assert plan.beams is None and "Neither the plan nor the CT" in plan.warnings[0]
    two = [item(PatientSetupNumber=n, PatientPosition=p) for n, p in ((1, "FFS"), (2, "HFS"))]
    plan = plan_of(tmp_path, beams=beams, PatientSetupSequence=two)
    assert plan.beams is None, "which of the two is not said"


def test_positions_of_plan_and_ct_that_differ_are_both_named(tmp_path):
    plan = plan_of(tmp_path, beams=[static_beam(1, 90.0, ISOCENTRE)], position="HFS", ct_position="HFP")
    assert source(plan) == [1.0, 0.0, 0.0]
    assert "position HFS in the plan, but HFP in the CT" in plan.warnings[0]


def test_fraction_groups_are_added_and_other_radiation_is_told(tmp_path):
    plan = plan_of(tmp_path, beams=[static_beam(1, 0.0, ISOCENTRE)], fractions=(25, 8))
    assert plan.fractions == 33 and "2 fraction groups" in plan.warnings[0]
    electrons = static_beam(1, 0.0, ISOCENTRE)
    electrons.RadiationType = "ELECTRON"
    plan = plan_of(tmp_path, beams=[electrons])
    assert plan.technique is None and plan.beams is None and "electron" in plan.warnings[0]


def test_prescriptions_by_structure_site_and_point(tmp_path):
    organ = prescription(45.0, 3)
    organ.DoseReferenceType = "ORGAN_AT_RISK"
    plan = plan_of(tmp_path, prescriptions=[
        prescription(70.0, 1), prescription(56.0, 2), organ, prescription(63.0, name="PTV63"),
        prescription(60.0, kind="COORDINATES"),
    ])  # fmt: skip
    assert plan.prescriptions_by_roi == {1: 70.0, 2: 56.0}
    assert plan.prescriptions_by_name == {"PTV63": 63.0}
    assert (plan.prescription_gy, plan.highest_gy) == (60.0, 70.0)


def test_of_several_prescriptions_to_one_structure_the_highest_counts(tmp_path):
    """A boost's dose reference and the first course's, in either order."""
    for doses in ((50.0, 66.0), (66.0, 50.0)):
        plan = plan_of(tmp_path, prescriptions=[prescription(dose, 1) for dose in doses])
        assert plan.prescriptions_by_roi == {1: 66.0}
        plan = plan_of(tmp_path, prescriptions=[prescription(dose, name="PTV") for dose in doses])
        assert plan.prescriptions_by_name == {"PTV": 66.0}


def test_beams_without_monitor_units_do_not_treat(tmp_path):
    beams = [static_beam(number, angle, ISOCENTRE) for number, angle in ((1, 0.0), (2, 90.0), (3, 180.0))]
    units = {1: 120.0, 2: 0.0, 3: 80.0}
    used = [item(ReferencedBeamNumber=number, BeamMeterset=some) for number, some in units.items()]
    group = item(FractionGroupNumber=1, NumberOfFractionsPlanned=30, NumberOfBeams=3,
                 NumberOfBrachyApplicationSetups=0, ReferencedBeamSequence=used)  # fmt: skip
    plan = plan_of(tmp_path, beams=beams, FractionGroupSequence=[group])
    assert gantry(plan) == [0.0, 180.0]
    assert (plan.beam_count, plan.beam_numbers) == (2, frozenset({1, 3}))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_isocentres_apart_along_one_axis_are_two(tmp_path, axis):
    """The upper and the lower part of a long target are treated from points on one line along the patient."""
    other = tuple(value + 60.0 * (place == axis) for place, value in enumerate(ISOCENTRE))
    plan = plan_of(tmp_path, beams=[static_beam(1, 0.0, ISOCENTRE), static_beam(2, 0.0, other)])
    assert plan.beams.isocentre_mm is None and "several isocentres" in plan.warnings[0]


@pytest.mark.parametrize("direction", ["CW", "CC"])
def test_a_whole_turn_has_no_direction_twice(tmp_path, direction):
    sign = 1.0 if direction == "CW" else -1.0
    found = gantry(plan_of(tmp_path, beams=[arc_beam(1, (180.0 + sign * np.arange(0.0, 361.0, 4.0)) % 360, direction,
                                                     ISOCENTRE)]))  # fmt: skip
    assert np.sort(found) == pytest.approx(np.arange(0.0, 360.0, 10.0))


def test_a_damaged_plan_is_named(tmp_path):
    path = write_plan(tmp_path / "RP.dcm", Study(), beams=[static_beam(i, 40.0 * i, ISOCENTRE) for i in range(9)])
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 53):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"RP\.dcm"):
            read_plan(path)


def regions(*named: tuple[str, str]) -> list[RegionOfInterest]:
    return [RegionOfInterest(number, name, kind, None, "", (np.zeros((4, 3)),), 0)
            for number, (name, kind) in enumerate(named, start=1)]  # fmt: skip


def roles(found: list[RegionOfInterest], plan: DicomPlan):
    matches = with_types(found, match_structure_names([region.name for region in found]))
    matches, warnings = with_prescriptions(found, matches, plan)
    return {region.name: match for region, match in zip(found, matches, strict=True)}, warnings


def test_the_plan_makes_targets_by_number_whatever_they_are_called():
    found = regions(("Tumour bed", ""), ("PTV_opt", "PTV"), ("Cord", "ORGAN"), ("BODY", "EXTERNAL"))
    matched, warnings = roles(found, DicomPlan(prescriptions_by_roi={1: 50.4}))
    assert matched["Tumour bed"].role is StructureRole.TARGET and matched["Tumour bed"].prescription_gy == 50.4
    assert matched["PTV_opt"].role is StructureRole.OTHER
    assert matched["Cord"].standard_name == "SpinalCord"
    assert matched["BODY"].role is StructureRole.EXTERNAL
    assert len(warnings) == 1 and "PTV_opt" in warnings[0]


def test_a_site_prescription_goes_to_the_structure_of_that_name_or_the_highest_target():
    found = regions(("PTV_7000", "PTV"), ("PTV_5600", "PTV"))
    by_name = roles(found, DicomPlan(prescriptions_by_name={"PTV 56": 55.0}))
    assert by_name[0]["PTV_5600"].prescription_gy == 55.0 and by_name[0]["PTV_7000"].prescription_gy == 70.0
    assert "whose name says 56 Gy" in by_name[1][0]
    highest = roles(found, DicomPlan(prescriptions_by_name={"Head and neck": 69.96}))[0]
    assert highest["PTV_7000"].prescription_gy == 69.96 and highest["PTV_5600"].prescription_gy == 56.0
    assert "the plan prescribes" in highest["PTV_7000"].reason


@pytest.mark.parametrize(("organ", "site"), [("Lung_R", "Lung R"), ("Prostate", "Prostate"), ("Breast_L", "Mamma li")])
def test_a_site_prescription_makes_no_target_of_an_organ_where_there_is_one(organ, site):
    matched, warnings = roles(regions(("PTV", "PTV"), (organ, "ORGAN")), DicomPlan(prescriptions_by_name={site: 54.0}))
    assert matched["PTV"].role is StructureRole.TARGET and matched["PTV"].prescription_gy == 54.0
    assert matched[organ].role is not StructureRole.TARGET and not warnings
    alone, _ = roles(regions(("Brain", "ORGAN"), ("Lens_L", "ORGAN")), DicomPlan(prescriptions_by_name={"Brain": 30.0}))
    assert alone["Brain"].role is StructureRole.TARGET, "whole brain, without a PTV"


def test_without_any_prescription_targets_stay_for_the_user_to_prescribe():
    matched, warnings = roles(regions(("PTV_High", "PTV"), ("PTV_Low", "PTV")), DicomPlan())
    assert {match.role for match in matched.values()} == {StructureRole.TARGET} and warnings == []


def test_types_help_where_names_say_nothing():
    found = regions(("Zielvolumen", "PTV"), ("Haut", "EXTERNAL"), ("Body", ""), ("Tisch", "SUPPORT"), ("Skin", "ORGAN"),
                    ("Nachbar", "ORGAN"))  # fmt: skip
    matched, _ = roles(found, DicomPlan())
    assert matched["Zielvolumen"].role is StructureRole.TARGET
    assert matched["Haut"].role is StructureRole.EXTERNAL and matched["Haut"].standard_name == "External"
    assert matched["Body"].role is StructureRole.OTHER, "there is one outline"
    assert matched["Tisch"].role is StructureRole.IGNORED
    assert matched["Skin"].role is StructureRole.OTHER
    assert matched["Nachbar"].role is StructureRole.OTHER


def test_to_source_of_a_turned_couch_is_the_plans():
    assert Beam(90.0, 90.0).to_source == pytest.approx([0.0, 0.0, -1.0], abs=1e-9)
