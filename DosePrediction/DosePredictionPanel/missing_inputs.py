"""What is still to be chosen before a dose can be predicted. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goal_reading import is_goals_file
from DosePredictionLib.errors import InputError
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_fields import beam_angles
from DosePredictionPanel.structure_rows import StructureRow, problems


def missing_inputs(parameters: Parameters, rows: Sequence[StructureRow], model_problem: str) -> str:
    """What to do before predicting, in sentences; empty when nothing is missing."""
    missing = []
    if parameters.ct is None:
        missing.append(_("Choose the planning CT."))
    elif parameters.ct.GetImageData() is None:
        missing.append(_("The chosen CT is empty; choose another."))
    if parameters.segmentation is None:
        missing.append(_("Choose the structures."))
    elif not rows:
        missing.append(_("The chosen segmentation holds no structures."))
    else:
        missing += problems(rows)
    others = (_beam_problem(parameters), _goals_problem(parameters), model_problem)
    missing += [sentence for sentence in others if sentence]
    return "\n".join(missing)


def _beam_problem(parameters: Parameters) -> str:
    try:
        beam_angles(parameters.beam_angles)
    except InputError as error:
        return str(error)
    return ""


def _goals_problem(parameters: Parameters) -> str:
    if is_goals_file(parameters.goals) and not Path(parameters.goals).is_file():
        return _("The goals {name} are not on this computer; choose others.").format(name=Path(parameters.goals).stem)
    if parameters.goals != "file" or Path(parameters.goals_path).is_file():
        return ""
    return _("Choose a file with planning goals.")
