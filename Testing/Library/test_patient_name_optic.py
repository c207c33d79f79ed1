"""Structure names with "opt": optic beside nerve and chiasm, optimisation elsewhere."""

from __future__ import annotations

import pytest

from DosePredictionLib.patient.naming import match_structure_name, match_structure_names
from DosePredictionLib.patient.structure import StructureRole


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("Chiasma opt", "OpticChiasm"), ("chiasma opt.", "OpticChiasm"), ("Chiasma_opt", "OpticChiasm"),
        ("Chiasma opt new", "OpticChiasm"), ("OptChiasm", "OpticChiasm"), ("Nervus opt li", "OpticNrv_L"),
        ("N. opt. re", "OpticNrv_R"), ("N opt sin", "OpticNrv_L"), ("Opt_N_L", "OpticNrv_L"), ("OPTN_R", "OpticNrv_R"),
        ("N. opticus re", "OpticNrv_R"), ("OptNerve_L", "OpticNrv_L"),
    ],
)  # fmt: skip
def test_opt_beside_nerve_or_chiasm_is_optic(name, standard):
    match = match_structure_name(name)
    assert (match.standard_name, match.role) == (standard, StructureRole.OAR)


@pytest.mark.parametrize("name", ["OpticChiasm_opt", "OpticNrv_L_opt", "ON_L_opt", "Lens_R_opt", "Brainstem opt"])
def test_opt_beside_other_organs_or_the_full_name_is_a_copy_for_optimisation(name):
    assert match_structure_name(name).role is StructureRole.IGNORED


def test_a_chiasm_opt_gives_way_to_the_chiasm_itself():
    copy, organ = match_structure_names(["Chiasm_opt", "OpticChiasm"])
    assert (copy.role, copy.standard_name) == (StructureRole.OTHER, None)
    assert (organ.role, organ.standard_name) == (StructureRole.OAR, "OpticChiasm")


@pytest.mark.parametrize(
    ("name", "standard"), [("Chiasma opt PRV", "OpticChiasm_PRV"), ("N opt li PRV03", "OpticNrv_PRV03_L")]
)
def test_optic_organs_with_a_margin(name, standard):
    assert match_structure_name(name).standard_name == standard


@pytest.mark.parametrize(("name", "sure"), [("R Opt nerve", True), ("OptChiasm", True), ("Chiasm_opt", False)])
def test_only_an_opt_that_follows_may_be_a_copy(name, sure):
    assert match_structure_name(name).sure is sure
