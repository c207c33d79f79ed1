"""Systems are described by what a weights file's JSON holds."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.adaptive_calibration import AdaptiveCalibration
from DosePredictionLib.systems.diffkt3d import KEPT
from DosePredictionLib.systems.registry import SYSTEMS, system_from_config


@pytest.mark.parametrize("make", [*SYSTEMS.values(), AdaptiveCalibration])
def test_a_configuration_survives_json(make) -> None:
    before = make()
    after = make(**json.loads(json.dumps(asdict(before))))
    assert after == before
    for field in fields(before):
        assert type(getattr(after, field.name)) is type(getattr(before, field.name))


@pytest.mark.parametrize("name", sorted(SYSTEMS))
@pytest.mark.parametrize("config", [{"tea": 1}, {"channels": 3}, {"channels": "ct"}, {"channels": [1]}])
def test_a_configuration_that_does_not_fit_is_refused(name: str, config: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"configuration of system '{name}' does not fit"):
        system_from_config(name, config)


@pytest.mark.parametrize(
    ("name", "config", "told"),
    [("default", {"pure_noise": "x"}, "pure_noise is 'x'; give a number"),
     ("default", {"drop": None}, "drop is None; give a number"), ("default", {"guidance": 2.5}, "give a whole number"),
     ("default", {"norm": 3}, "norm is 3; give a text"), ("default", {"blocks": [1, "2"]}, "a list of whole numbers"),
     ("addiff_dose", {"patch": [24, 32]}, "patch is .* give a list of 3 whole numbers"),
     ("addiff_dose", {"structure_encoder": 1}, "give true or false"), ("addiff_dose", {"prediction": 1}, "a text"),
     ("addiff_dose", {"limits_gy": [54, "45"]}, "limits_gy is .* give a list of numbers"),
     ("diffkt3d", {"codec_config": []}, "codec_config is .* JSON object"),
     ("diffkt3d", {"ct_share": "0.5"}, "ct_share is '0.5'; give a number or null"),
     ("magdiff_adc", {"noise_length_mm": True}, "noise_length_mm is True; give a number"),
     ("baseline", {"field_of_view": 48}, "field_of_view is 48; give a list of 3 whole numbers")],
)  # fmt: skip
def test_a_field_of_another_kind_is_named(name: str, config: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        system_from_config(name, config)


@pytest.mark.parametrize(
    ("name", "config", "told"),
    [("default", {"drop": 5}, "drop is 5; give a number from 0 to 1"),
     ("default", {"pure_noise": -1}, "pure_noise is -1; give a number from 0 to 1"),
     ("default", {"widths": []}, "give a width for each level"),
     ("addiff_dose", {"limits_gy": [1.0]}, "give a limit each for Brainstem, SpinalCord"),
     ("diffkt3d", {"hidden": 1.5}, "hidden is 1.5; give a number from 0 to 1"),
     ("diffkt3d", {"ct_share": -0.1}, "ct_share is -0.1; give a number from 0 to 1"),
     ("diffkt3d", {"shift": 0}, "shift is 0; give a number above 0"),
     ("diffkt3d", {"merge": 0}, "merge is 0; give no whole number below 1"),
     ("magdiff_adc", {"hidden": 0}, "hidden is 0; give no whole number below 1"),
     ("magdiff_adc", {"noise_steps": 0}, "noise_steps is 0; give"), ("addiff_dose", {"eta": 2}, "eta is 2; give"),
     ("magdiff_adc", {"noise_length_mm": -3}, "noise_length_mm is -3; give no number below 0"),
     ("baseline", {"field_of_view": [48, 0, 64]}, r"field_of_view is \[48, 0, 64\]; give no whole number below 1"),
     ("default", {"channels": ["ct", "prescripton"]}, "give no 'prescripton' but names out of ct, prescription,"),
     ("default", {"channels": ["ct", "region"]}, "channels is .*; give prescription among them"),
     ("default", {"channels": ["prescription", "prescription"]}, "give each of them once"),
     ("addiff_dose", {"channels": ["prescription", "region"]}, "give ct among them"),
     ("default", {"channels": ["prescription", "Parotid_L"]}, "give Parotid_R too: patients are mirrored"),
     ("addiff_dose", {"fold": 2}, r"patch is \(24, 32, 32\); fold and levels ask for multiples of 16"),
     ("addiff_dose", {"overlap": [8, 32, 8]}, r"overlap is \(8, 32, 8\); give less than the patch"),
     ("addiff_dose", {"tokens": 200}, "tokens is 200; give a multiple of head_width, 64"),
     ("magdiff_adc", {"radii": []}, r"radii is \(\); give one for each of the 4 widths"),
     ("baseline", {"field_of_view": [44, 80, 128]}, "give multiples of 16"),
     ("diffkt3d", {"heads": 3}, "width 256; give a multiple of twice its 3 heads"),
     ("diffkt3d", {"slot_width": 32}, "slot_width 32; even and at most 24 goes with its heads")],
)  # fmt: skip
def test_a_value_that_cannot_be_is_named(name: str, config: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        system_from_config(name, config)


def test_what_a_codec_keeps_of_a_modality_is_changed_by_itself() -> None:
    kept = system_from_config("diffkt3d", {"codec_config": {"kept": {"ct": 8}}}).codec_config["kept"]  # type: ignore[attr-defined]
    assert kept == {**KEPT, "ct": 8}


def test_whole_numbers_are_numbers_and_null_may_be_left() -> None:
    system_from_config("diffkt3d", {"ct_share": None, "drop": 0, "latent_scale": 1})
    system_from_config("diffkt3d", {"ct_share": 1})
    system_from_config("default", {"guidance": 0, "pure_noise": 1, "drop": 0.0, "channels": ["prescription", "ct"]})


@pytest.mark.parametrize("path", sorted(resource_path("Models").glob("*.safetensors")), ids=lambda path: path.stem)
def test_what_ships_has_values_that_can_be(path) -> None:
    header = read_weights_header(path)
    if header.system in SYSTEMS:
        system_from_config(header.system, header.config)
