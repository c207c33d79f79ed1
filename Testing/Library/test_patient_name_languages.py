"""Structure names in German, French, Spanish, Italian, Dutch and Portuguese."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import DosePredictionLib.patient.organ_table as organ_table
from DosePredictionLib.patient.naming import match_structure_name, match_structure_names
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("names", "standard"),
    [
        (("Hirnstamm", "Tronc cérébral", "Tronco encefálico", "Tronco", "Hersenstam"), "Brainstem"),
        (("Rückenmark", "Rueckenmark", "RUECKENMARK", "Moelle", "Médula", "Midollo", "Ruggenmerg"), "SpinalCord"),
        (("Nieren", "Reins", "Riñones", "Reni", "Rins", "Niere beidseits"), "Kidneys"),
        (("Lungen", "Poumons", "Pulmones", "Polmoni", "Longen", "Pulmões", "Lunge bds"), "Lungs"),
        (("Niere links", "Linke Niere", "Rein G", "Riñón I", "Rene sx", "Rim E", "G Rein"), "Kidney_L"),
        (("Parotis re", "Parotide D", "Parótida D", "Parotide dx", "Ohrspeicheldrüse rechts"), "Parotid_R"),
        (("Sehnerv re", "Nerf optique D", "Nervio óptico dcho", "Nervo ottico dx", "Oogzenuw rechts"), "OpticNrv_R"),
        (("Hüftkopf li", "Hueftkopf_li", "Tête fémorale gauche", "Testa femore sx"), "Femur_Head_L"),
        (("Ösophagus", "Œsophage", "oesophage", "Esófago", "Slokdarm", "Speiseröhre"), "Esophagus"),
        (("Cœur", "Coeur", "Herz", "Corazón", "Cuore", "Hart", "Coração"), "Heart"),
        (("Großhirn", "Grosshirn", "Cerveau", "Cerebro"), "Cerebrum"),
        (("Moelle_PRV5", "Rückenmark+5mm"), "SpinalCord_PRV05"),
    ],
)  # fmt: skip
def test_organs(names, standard):
    assert [match_structure_name(name).standard_name for name in names] == [standard] * len(names)


@pytest.mark.parametrize(
    "name",
    ["Niere D", "Niere G", "Polmone D", "Cochlea_G", "Kidney I", "Lunge", "Rein", "Parotid I", "Ren I"],
)
def test_a_letter_is_a_side_in_its_own_language_alone(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (None, StructureRole.OTHER)


@pytest.mark.parametrize("name", ["Haut", "Peau", "Piel", "Huid"])
def test_the_skin_is_taken_for_the_body_with_a_doubt(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role, match.sure) == ("External", StructureRole.EXTERNAL, False)


@pytest.mark.parametrize("name", ["Tisch", "lettino", "Mesa", "Rückenmark opt"])
def test_supports_and_copies_for_planning_are_ignored(name):
    assert match_structure_name(name).role is StructureRole.IGNORED


@pytest.mark.parametrize("name", ["Rektumvorderwand", "Rektumhinterwand"])
def test_half_of_a_wall_is_only_measured(name):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (None, StructureRole.OTHER)


@pytest.mark.parametrize(
    ("name", "standard"),
    [("Brachial plexi", "BrachialPlexs"), ("Plexus brachiales", "BrachialPlexs"), ("Testes", "Testis"),
     ("Mainstem bronchi", "Bronchus_Main"), ("Hippocampi", "Hippocampi")],
)  # fmt: skip
def test_latin_plurals_are_both_organs(name, standard):
    match = match_structure_name(name)
    assert (match.standard_name, match.role, match.sure) == (standard, StructureRole.OAR, True)


def test_what_is_cut_away_from_a_target_may_be_named_in_any_language():
    cut, _ = match_structure_names(["PTV70-Rückenmark", "PTV70"])
    assert cut.role is StructureRole.OTHER


def test_no_name_stands_for_two_organs():
    path = Path(organ_table.__file__).with_name("structure_names_by_language.json")
    by_language = json.loads(path.read_text(encoding="utf-8"))["names"]
    for language, names in by_language.items():
        for standard, spellings in names.items():
            for spelling in spellings:
                match = match_structure_name(spelling)
                alone = {standard, standard.removesuffix("s")}
                side_wanted = match.standard_name is None and match.reason.split(" ")[0] in alone
                assert match.standard_name == standard or side_wanted, (language, spelling, match)
