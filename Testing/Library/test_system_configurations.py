"""Systems are described by what a weights file's JSON holds."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest

from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.adaptive_calibration import AdaptiveCalibration
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


def test_whole_numbers_are_numbers_and_null_may_be_left() -> None:
    system_from_config("diffkt3d", {"ct_share": None, "drop": 0, "latent_scale": 1})
    system_from_config("diffkt3d", {"ct_share": 1})
