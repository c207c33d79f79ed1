"""Systems by name."""

from __future__ import annotations

from DosePredictionLib.errors import InputError
from DosePredictionLib.systems.addiff_dose import AddiffDoseSystem
from DosePredictionLib.systems.baseline import BaselineSystem
from DosePredictionLib.systems.default import DefaultSystem
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.systems.field_kinds import misfit
from DosePredictionLib.systems.field_ranges import out_of_range
from DosePredictionLib.systems.magdiff_adc import MagdiffAdcSystem
from DosePredictionLib.systems.system import System

SYSTEMS: dict[str, type[System]] = {
    DefaultSystem.name: DefaultSystem,
    AddiffDoseSystem.name: AddiffDoseSystem,
    BaselineSystem.name: BaselineSystem,
    MagdiffAdcSystem.name: MagdiffAdcSystem,
    DiffKT3DSystem.name: DiffKT3DSystem,
}


def system_from_config(name: str, config: dict[str, object]) -> System:
    """The system ``name`` with the given fields.

    Raises:
        InputError: there is no such system, it has no such field, or a field is of another kind or out of its range.
    """
    if name not in SYSTEMS:
        raise InputError(f"There is no system called {name!r}; choose one of: {', '.join(sorted(SYSTEMS))}.")
    wrong = misfit(SYSTEMS[name], config) or out_of_range(SYSTEMS[name], config)
    if wrong:
        raise InputError(f"The configuration of system {name!r} does not fit this version: {wrong}.")
    try:
        return SYSTEMS[name](**config)
    except TypeError as error:
        raise InputError(f"The configuration of system {name!r} does not fit this version: {error}.") from error
