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
@pytest.mark.parametrize("config", [{"tea": 1}, {"channels": 3}])
def test_a_configuration_that_does_not_fit_is_refused(name: str, config: dict[str, object]) -> None:
    with pytest.raises(InputError, match=f"configuration of system '{name}' does not fit"):
        system_from_config(name, config)
