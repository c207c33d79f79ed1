"""The plan that a dose in the scene was predicted for. Kept on the dose, so a scene keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from DosePredictionLib.patient.beams import Beam, BeamArrangement
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionScene.patient_from_nodes import PlanContext
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.segment_choices import SegmentChoice, segment_choices

PLAN_ATTRIBUTE = "DosePrediction.PredictedFor"
#: Reference from a dose to the segmentation that it was predicted for, and is measured in.
STRUCTURES_ROLE = "DosePrediction.PredictedStructures"
#: Its name, which tells a segmentation that has left the scene from none at all.
STRUCTURES_NAME_ATTRIBUTE = "DosePrediction.PredictedStructuresName"


@dataclass(frozen=True)
class PredictedPlan:
    """What of a plan is worth comparing.

    Attributes:
        targets: name and prescription in Gy, in alphabetical order.
        fractions, technique, site: None when unknown.
        beams: gantry and couch angle in degrees; empty when unknown.
        isocentre_mm: of these beams, LPS; None for the centroid of all targets.
    """

    targets: tuple[tuple[str, float | None], ...] = ()
    fractions: int | None = None
    technique: str | None = None
    site: str | None = None
    beams: tuple[tuple[float, float], ...] = ()
    isocentre_mm: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, plan: PlanContext | None, choices: Iterable[tuple[str, SegmentChoice]]) -> PredictedPlan:
        """From what the nodes don't say, and from segment names and what the segments are."""
        plan = plan or PlanContext()
        targets = [(name, c.prescription_gy) for name, c in choices if c.role is StructureRole.TARGET]
        targets.sort(key=lambda target: (target[0], target[1] or 0.0))  # of two with one name, one may have no dose
        beams = () if plan.beams is None else tuple((beam.gantry_deg, beam.couch_deg) for beam in plan.beams.beams)
        isocentre_mm = None if plan.beams is None else plan.beams.isocentre_mm
        return cls(tuple(targets), plan.fractions, plan.technique, plan.site, beams, isocentre_mm)

    @classmethod
    def of_request(cls, request: Request) -> PredictedPlan:
        """The plan that a prediction is asked for."""
        segmentation = request.segmentation_node.GetSegmentation()
        choices = segment_choices(segmentation, request.choices).items()
        return cls.of(request.plan, ((segmentation.GetSegment(i).GetName() or i, choice) for i, choice in choices))

    @property
    def context(self) -> PlanContext:
        """What the nodes don't say."""
        beams = tuple(Beam(*angles) for angles in self.beams)
        arrangement = BeamArrangement(beams, self.isocentre_mm) if beams else None
        return PlanContext(fractions=self.fractions, technique=self.technique, site=self.site, beams=arrangement)


def predicted_plan(dose_node: Any) -> PredictedPlan | None:
    """The plan that a dose was predicted for; None where nothing says it."""
    text = None if dose_node is None else dose_node.GetAttribute(PLAN_ATTRIBUTE)
    try:
        said = json.loads(text or "null")
        return None if said is None else PredictedPlan(
            tuple((str(name), dose_gy) for name, dose_gy in said["targets"]), said["fractions"], said["technique"],
            said["site"], tuple((float(gantry), float(couch)) for gantry, couch in said["beams"]),
            _point(said.get("isocentre_mm")),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError):  # a scene edited by hand
        return None


def _point(said: Any) -> tuple[float, float, float] | None:
    if said is None:  # scenes from before this was kept have none
        return None
    x, y, z = said
    return float(x), float(y), float(z)


def remember_predicted_plan(dose_node: Any, plan: PredictedPlan, segmentation_node: Any) -> None:
    """Note which plan and structures a dose was predicted for."""
    dose_node.SetAttribute(PLAN_ATTRIBUTE, json.dumps(asdict(plan)))
    dose_node.SetNodeReferenceID(STRUCTURES_ROLE, segmentation_node.GetID())
    dose_node.SetAttribute(STRUCTURES_NAME_ATTRIBUTE, segmentation_node.GetName() or segmentation_node.GetID())


def predicted_structures(dose_node: Any) -> Any:
    """The segmentation that a dose was predicted for; None where nothing says it, or it has left the scene."""
    return None if dose_node is None else dose_node.GetNodeReference(STRUCTURES_ROLE)


def choices_predicted_for(dose_node: Any, segmentation_node: Any) -> dict[str, SegmentChoice]:
    """Targets as they are now, but prescribed what they were when a dose was predicted.

    Figures in percent of a prescription belong to the plan that the dose was predicted for.

    Args:
        dose_node: its node; one that does not say its plan gives nothing.
        segmentation_node: that the dose is measured in; None gives nothing.

    Returns:
        By segment ID, those whose prescription is another one now. Targets with another name now are not among them,
        nor those that shared a name and had different prescriptions: nothing tells which had which.

    Raises:
        InputError: a segment's tag can't be read.
    """
    plan = predicted_plan(dose_node)
    if plan is None or segmentation_node is None:
        return {}
    segmentation = segmentation_node.GetSegmentation()
    then = {}
    for segment_id, choice in segment_choices(segmentation).items():
        name = segmentation.GetSegment(segment_id).GetName() or segment_id
        doses_gy = {gray for target, gray in plan.targets if target == name}
        gray = doses_gy.pop() if len(doses_gy) == 1 else None
        if choice.role is StructureRole.TARGET and gray is not None and gray != choice.prescription_gy:
            then[segment_id] = replace(choice, prescription_gy=gray)
    return then


def lost_structures(dose_node: Any) -> str:
    """The name of the segmentation that a dose was predicted for, where that has left the scene; "" otherwise."""
    if dose_node is None or predicted_structures(dose_node) is not None:
        return ""
    return str(dose_node.GetAttribute(STRUCTURES_NAME_ATTRIBUTE) or "")
