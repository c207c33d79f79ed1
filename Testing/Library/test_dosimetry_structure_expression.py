"""How goals name structures, those that are made on the fly included."""

from __future__ import annotations

import numpy as np
import pytest
from phantom import AXIAL, ball

from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goals import Verdict, evaluate_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.dosimetry.structure_expression import NotThereError, check_expression, structures_named
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure, StructureRole
from DosePredictionLib.patient.volume import Volume

OAR, TARGET, OTHER = StructureRole.OAR, StructureRole.TARGET, StructureRole.OTHER


def at(x: float, y: float, z: float, radius_mm: float) -> Volume:
    return ball(AXIAL, (x, y, z), radius_mm)


def chest() -> Patient:
    """A tumour in the left lung (x > 0 is the patient's left), with two target levels."""
    return Patient(
        "chest",
        AXIAL,
        None,
        (
            Structure("Body", at(0, 0, 0, 78.0), StructureRole.EXTERNAL),
            Structure("PTV60", at(40, 0, 0, 14.0), TARGET, "PTV_6000", 60.0),
            Structure("PTV50", at(38, 0, 0, 22.0), TARGET, "PTV_5000", 50.0),
            Structure("GTVp", at(40, 0, 0, 8.0), OTHER, "GTVp"),
            Structure("GTVn", at(20, 0, 20, 6.0), OTHER, "GTVn"),
            Structure("Lt Lung", at(36, 0, 0, 30.0), OAR, "Lung_L"),
            Structure("Rt Lung", at(-36, 0, 0, 30.0), OAR, "Lung_R"),
            Structure("Cord", at(0, 50, 0, 8.0), OAR, "SpinalCord"),
            Structure("Couch", at(0, 0, 0, 5.0), StructureRole.IGNORED, "Heart"),
        ),
    )


def test_targets_of_one_prescription_are_one_level() -> None:
    """Primary and nodes of 70 Gy, and two lower levels: the second 70 Gy target is not the middle one."""
    doses = {"PTVp": 70.0, "PTVn": 70.0, "PTV61": 61.25, "PTV56": 56.0}
    places = {"PTVp": 20, "PTVn": -20, "PTV61": 45, "PTV56": -45}
    who = chest().with_structures(
        Structure(name, at(places[name], 0, 0, 8.0), TARGET, None, dose) for name, dose in doses.items()
    )
    (highest,), (middle,), (lowest,) = (
        structures_named(f"{which} target", who) for which in ("highest", "middle", "lowest")
    )
    assert (middle.name, lowest.name) == ("PTV61", "PTV56")
    parts = [s for s in who.targets if s.prescription_gy == 70.0]
    assert volume(highest) == pytest.approx(sum(volume(part) for part in parts)) and highest.prescription_gy == 70.0
    with pytest.raises(NotThereError, match="no middle target"):
        names("middle target", chest().with_structures(s for s in who.structures if s.name != "PTV56"))


def names(text: str, who: Patient | None = None) -> list[str]:
    return [s.name for s in structures_named(text, who or chest())]


def volume(structure: Structure) -> float:
    mask = structure.mask.array
    return float((mask if mask.dtype.kind == "f" else mask != 0).sum() * structure.mask.geometry.voxel_volume_cc)


def one(text: str) -> Structure:
    (structure,) = structures_named(text, chest())
    return structure


def test_plain_names_and_synonyms() -> None:
    assert names("SpinalCord") == names("Cord") == names("spinal medulla") == ["Cord"]
    assert names("Lung_L or Lung_R") == names("each Lung") == ["Lt Lung", "Rt Lung"]
    assert names("Left Lung") == ["Lt Lung"]
    assert names("External") == names("body") == ["Body"]


def test_targets_by_level() -> None:
    assert names("each target") == ["PTV60", "PTV50"]
    assert (names("highest target"), names("lowest target")) == (["PTV60"], ["PTV50"])
    with pytest.raises(NotThereError, match="no middle target"):
        names("middle target")
    assert volume(one("targets")) == pytest.approx(volume(one("PTV_5000")), rel=0.01)


def test_sides_are_told_by_the_target() -> None:
    assert names("ipsilateral Lung") == ["Lt Lung"]
    assert names("contralateral Lung") == ["Rt Lung"]
    assert names("contralateral Lung minus targets") == ["contralateral Lung minus targets"]
    middle = chest().with_structures(
        [*(s for s in chest().structures if s.role is not TARGET), Structure("PTV", at(0, 0, 0, 10.0), TARGET, "PTV")]
    )
    with pytest.raises(NotThereError, match="its highest target in the middle, so there is no ipsilateral Lung"):
        names("ipsilateral Lung", middle)


def test_both_and_minus() -> None:
    both = one("Lungs")
    assert volume(both) == pytest.approx(volume(one("Lung_L")) + volume(one("Lung_R")))
    tumours = volume(one("GTV"))
    assert tumours == pytest.approx(volume(one("GTVp")) + volume(one("GTVn")))
    assert volume(one("Lungs-GTV")) == pytest.approx(volume(both) - tumours, rel=2e-3)
    assert volume(one("Lungs minus PTV")) < volume(one("Lungs-GTV"))
    assert one("Lungs-GTV").name == "Lungs-GTV"


def test_what_is_cut_away_from_left_to_right() -> None:
    lungs, tumours = volume(one("Lungs")), volume(one("GTVp")) + volume(one("GTVn"))
    for text in ("Lungs minus GTVp minus GTVn", "Lungs minus GTVn minus GTVp", "Lungs-GTVp-GTVn"):
        assert volume(one(text)) == pytest.approx(lungs - tumours, rel=2e-3), text
    nested = volume(one("Body minus PTV50 minus PTV60"))
    assert nested == pytest.approx(volume(one("Body minus PTV60 minus PTV50")), rel=1e-3)
    assert nested == pytest.approx(volume(one("Body minus targets")), rel=1e-3), "both are gone"
    nodes = Structure("CTV-N", at(36, 0, 10, 5.0), OTHER)
    patient = chest().with_structures([*chest().structures, nodes])
    (rest,) = structures_named("Lungs-CTV-N", patient)
    assert volume(rest) == pytest.approx(lungs - volume(nodes), rel=2e-3), "the sign may be a part of a name"


def test_a_structure_of_the_very_name_goes_first() -> None:
    own = Structure("Lungs-GTV", at(0, 0, 0, 5.0), OAR)
    assert structures_named("Lungs-GTV", chest().with_structures([*chest().structures, own])) == [own]
    prv = Structure("cord + 5", at(0, 50, 0, 20.0), OTHER, "SpinalCord_PRV05")
    assert structures_named("SpinalCord_PRV05", chest().with_structures([*chest().structures, prv])) == [prv]


def test_margins_and_rings() -> None:
    prv = one("SpinalCord_PRV05")
    # 8 mm and 5 mm more, within 0.8 mm, on voxels of 4 x 4 x 3 mm.
    assert (volume(prv) / (4 / 3 * np.pi)) ** (1 / 3) == pytest.approx(1.3, abs=0.08)
    ring = one("ring 5-10 mm around highest target")
    assert volume(ring) == pytest.approx(4 / 3 * np.pi * (2.4**3 - 1.9**3), rel=0.08)
    assert (ring.role, ring.prescription_gy) == (OTHER, 60.0)
    outside = one("ring 5 to 10 mm around highest target minus targets")
    assert 0.0 < volume(outside) < volume(ring)
    assert one("ring 5-10 mm around lowest target").prescription_gy == 50.0
    skin = one("ring 0-3 mm inside External")
    assert volume(skin) == pytest.approx(4 / 3 * np.pi * (7.8**3 - 7.5**3), rel=0.12)


def test_rings_end_at_the_body() -> None:
    near_skin = Structure("PTV", at(66, 0, 0, 12.0), TARGET, "PTV", 60.0)
    body = chest().structures[0]
    inside = structures_named("ring 0-10 mm around highest target", chest().with_structures([near_skin, body]))[0]
    free = structures_named("ring 0-10 mm around highest target", chest().with_structures([near_skin]))[0]
    assert volume(inside) < 0.8 * volume(free)


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("Heart", "no Heart"),  # its only structure is ignored
        ("Parotid_L or Parotid_R", "no Parotid_L or Parotid_R"),
        ("Parotids", "no Parotids"),
        ("each Lens", "no Lens"),
        ("Lungs-ITV", "no ITV"),
        ("Heart_PRV05", "no Heart"),
        ("ring 5-10 mm around Heart", "no Heart"),
        ("ipsilateral Parotid", "no Parotid_L"),
    ],
)
def test_what_is_not_there_is_named(text: str, lacking: str) -> None:
    with pytest.raises(NotThereError, match=lacking):
        names(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ring around PTV", "is no ring; write it like 'ring 5-10 mm around highest target'"),
        ("ring 10-5 mm around PTV", "has no thickness; give the nearer distance first"),
        ("Parotid_L or ", "names no structure beside 'or'"),
    ],
)
def test_expressions_that_mean_nothing_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_expression(text)


def test_goals_for_structures_that_are_made() -> None:
    """A dose of 60 Gy in the target that falls by 2 Gy a millimetre: the ring's maximum is what 5 mm leave."""
    away = np.linalg.norm(AXIAL.lps_of_index(np.stack(np.indices(AXIAL.shape), -1).astype(float)) - (40, 0, 0), axis=-1)
    dose = Volume(np.clip(60.0 - 2.0 * (away - 14.0), 0.0, 60.0).astype(np.float32), AXIAL)
    goals = [
        Goal("ring 5-10 mm around highest target", Metric.parse("D2%", "%Rx"), "<=", 85.0),
        Goal("Lungs-GTV", Metric.parse("V20Gy"), "<=", 90.0),
        Goal("each Lung", Metric.parse("Dmean"), "<=", 20.0),
        Goal("Heart", Metric.parse("Dmean"), "<=", 20.0),
        Goal("SpinalCord", Metric.parse("Dmean"), "<=", 20.0, active=False),
    ]
    results = evaluate_goals(GoalSet("set", "", "", tuple(goals)), chest(), dose, {})
    assert [r.structure_label for r in results] == [
        "ring 5-10 mm around highest target", "Lungs-GTV", "Lt Lung", "Rt Lung", "Heart",
    ]  # fmt: skip
    ring, lungs, left, right, heart = results
    assert ring.value == pytest.approx(100.0 * 50.0 / 60.0, abs=3.0)
    assert lungs.verdict is Verdict.PASS
    assert left.verdict is Verdict.FAIL and right.verdict is Verdict.PASS
    assert heart.reason == "Not judged because the patient has no Heart."
