"""What has changed in the plan since the shown dose was predicted. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from DosePredictionScene.predicted_plan import PredictedPlan, lost_structures, predicted_plan, predicted_structures
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionPanel.parameters import Parameters
from DosePredictionPanel.plan_fields import plan_of
from DosePredictionPanel.structure_rows import StructureRow


def plan_note(dose: Any, parameters: Parameters, rows: Sequence[StructureRow]) -> str:
    """A sentence that says for which other plan a dose was predicted; empty when the plan is still the same.

    Args:
        dose: its node; None, or one that does not say its plan, gives no sentence.
        parameters, rows: the plan as the panel has it now. A technique, site or number of fractions that is not known
            contradicts nothing.
    """
    before = predicted_plan(dose)
    if before is None:
        return ""
    try:
        now = PredictedPlan.of(plan_of(parameters), ((row.name, row.choice) for row in rows))
    except InputError:  # beam angles that are being typed
        return ""
    if not rows:
        now = replace(now, targets=before.targets)
    unknown = _("unknown")
    changes = []
    lost, structures, chosen = lost_structures(dose), predicted_structures(dose), parameters.segmentation
    if lost:
        changes.append((lost, chosen.GetName() if chosen is not None else _("no structures")))
    if structures is not None and chosen is not None and chosen is not structures:
        changes.append((_named(structures, chosen), _named(chosen, structures)))
    if now.targets != before.targets:
        changes.append((_targets(before), _targets(now)))
    if now.fractions and now.fractions != before.fractions:
        many = _("{n} fractions")
        changes.append((many.format(n=before.fractions or unknown), str(now.fractions)))
    if now.technique and now.technique != before.technique:
        changes.append((before.technique or _("unknown technique"), now.technique))
    if now.site and now.site != before.site:
        changes.append((before.site or _("unknown site"), now.site))
    if (now.beams, now.isocentre_mm) != (before.beams, before.isocentre_mm):
        changes.append((_beams(before), _beams(now)))
    if not changes:
        return ""
    listed = "; ".join(_("{before}, now {now}").format(before=old, now=new) for old, new in changes)
    return _("This dose was predicted for another plan: {changes}. Predict again for the plan as it is now.").format(
        changes=listed
    )


def _named(node: Any, other: Any) -> str:
    """A node's name, with its ID where another one is called the same."""
    return str(node.GetName()) if node.GetName() != other.GetName() else f"{node.GetName()} ({node.GetID()})"


def _targets(plan: PredictedPlan) -> str:
    doses = (f"{name} " + (_("no dose") if dose is None else f"{dose:g} Gy") for name, dose in plan.targets)
    return ", ".join(doses) or _("no target")


def _beams(plan: PredictedPlan) -> str:
    if not plan.beams:
        return _("unknown beams")
    angles = (f"{gantry:g}" + (f"/{couch:g}" if couch else "") for gantry, couch in plan.beams)
    listed = ", ".join(angles)
    if plan.isocentre_mm is None:
        return _("beams at {angles} degrees").format(angles=listed)
    x, y, z = plan.isocentre_mm
    point = f"R {-x:.1f}, A {-y:.1f}, S {z:.1f} mm"  # as Slicer's views say it
    return _("beams at {angles} degrees about {point}").format(angles=listed, point=point)
