"""The weights that ship for other modalities than the dose, on the patient that ships."""

from __future__ import annotations

import numpy as np
import pytest

from DosePredictionLib import read_patient
from DosePredictionLib.cli.main import main
from DosePredictionLib.inference.modality import modality_warning, modality_weights
from DosePredictionLib.inference.modality_card import modality_card
from DosePredictionLib.inference.weights import load_weights
from DosePredictionLib.patient.image_file import read_scalar_volume
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.resources import resource_path

SAMPLE = resource_path("SampleData", "openkbp-pt_236")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """As a user asks for the CT and the body."""
    folder = tmp_path_factory.mktemp("made")
    for target in ("ct", "body"):
        asked = [
            "predict",
            str(SAMPLE),
            "--system",
            "diffkt3d",
            "--target",
            target,
            "--device",
            "cpu",
            "-o",
            str(folder),
        ]
        assert main(asked) == 0
    return {target: read_scalar_volume(folder / f"{target}.nrrd") for target in ("ct", "body")}


def test_the_weights_are_of_every_modality_and_measured():
    loaded = load_weights(modality_weights("diffkt3d"))
    assert loaded.path.parent.name == "any-to-any" and modality_warning(loaded) == ""
    header = loaded.header
    assert header.training["patients"] == 196 and header.validation["patients"] == 33 and len(header.commit) == 40
    figures = header.validation["figures"]
    assert isinstance(figures, dict)
    assert figures["CT: mean absolute error, HU"] < 210
    assert abs(figures["CT: bone, %"] - figures["bone in the patient's, %"]) < 1.0
    assert figures["CT: mean in the mandible, HU"] > 500 and figures["CT: mean around the spinal cord, HU"] > 180
    card = loaded.path.with_suffix(".md").read_text(encoding="utf-8")
    assert f"{figures['CT: mean absolute error, HU']:.2f}" in card and "nobody's anatomy" in card
    assert "It isn't told the size of the voxels" in card
    limits, own = "\n## Limits\n", modality_card(header)
    assert card.partition(limits)[2] == own.partition(limits)[2] != ""


def test_the_ct_has_bone_air_and_soft_tissue_where_this_patient_has_them(made):
    patient = read_patient(SAMPLE)
    assert patient.ct is not None
    own = patient.ct.on_grid(made["ct"].geometry).array
    grid, ct = made["ct"].geometry, made["ct"].array
    region = patient.with_role(StructureRole.DOSE_REGION)[0].mask.on_grid(grid, nearest=True).array > 0
    assert np.all(ct[~region] == -1000)
    inside = region & (own > -400)
    bone, soft, air = inside & (own > 400), inside & (np.abs(own) < 100), region & (own < -700)
    assert bone.sum() > 500 and ct[bone].mean() > ct[soft].mean() + 120
    assert abs(float(ct[soft].mean())) < 120
    assert air.sum() > 500 and ct[air].mean() < ct[soft].mean() - 200
    assert np.corrcoef(ct[region], own[region])[0, 1] > 0.5
    mandible = patient.standard("Bone_Mandible").mask.on_grid(grid, nearest=True).array > 0
    assert ct[mandible & region].mean() > 400


def test_the_body_is_where_the_dose_region_is(made):
    region = read_patient(SAMPLE).with_role(StructureRole.DOSE_REGION)[0].mask
    wanted = region.on_grid(made["body"].geometry, nearest=True).array > 0
    found = made["body"].array > 0.5
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.95


def test_a_system_that_knows_doses_only_says_so_and_nothing_else(tmp_path, capsys):
    assert main(["predict", str(SAMPLE), "--target", "ct", "--device", "cpu", "-o", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert "'default' predicts nothing but doses" in told and "forgotten" not in told
    assert not (tmp_path / "out").exists()
