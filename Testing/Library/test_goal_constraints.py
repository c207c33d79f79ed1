"""Goals as constraints for a loss: plain numbers."""

from __future__ import annotations

from DosePredictionLib.dosimetry.constraints import ConstraintKind, constraints_of
from DosePredictionLib.dosimetry.goal import Goal
from DosePredictionLib.dosimetry.goal_reading import bundled_goals
from DosePredictionLib.dosimetry.metric import Metric


def test_constraints_are_plain_numbers() -> None:
    constraints = constraints_of(bundled_goals("addiff-dose").goals)
    assert len(constraints) == sum(g.active for g in bundled_goals("addiff-dose").goals)
    by_name = {(c.structure, c.kind, c.amount): c for c in constraints}
    cord = by_name["SpinalCord", ConstraintKind.MAXIMUM_DOSE, None]
    assert (cord.limit, cord.upper, cord.priority, cord.weight, cord.limit_of_prescription) == (
        45.0,
        True,
        1,
        1.0,
        False,
    )
    lungs = by_name["Lungs-GTV", ConstraintKind.VOLUME_PERCENT_AT_DOSE, 20.0]
    assert (lungs.limit, lungs.amount_of_prescription, lungs.weight) == (30.0, False, 1.0)
    target = by_name["each target", ConstraintKind.VOLUME_PERCENT_AT_DOSE, 100.0]
    assert (target.limit, target.amount_of_prescription, target.upper) == (95.0, True, False)
    assert by_name["highest target", ConstraintKind.DOSE_AT_VOLUME_PERCENT, 95.0].limit_of_prescription
    assert ("Glnd_Submand_L or Glnd_Submand_R", ConstraintKind.MEAN_DOSE, None) in by_name
    kinds = {c.kind for c in constraints_of(bundled_goals("tg-101").goals)}
    assert kinds == {ConstraintKind.DOSE_AT_VOLUME_CC, ConstraintKind.DOSE_AT_VOLUME_PERCENT}


def test_complements_as_constraints() -> None:
    def only(metric: str, comparator: str, limit: float):  # noqa: ANN202
        return constraints_of([Goal("Lungs", Metric.parse(metric), comparator, limit)])

    (volume,) = only("CV20Gy", ">=", 70.0)
    assert (volume.kind, volume.amount, volume.limit, volume.upper) == (
        ConstraintKind.VOLUME_PERCENT_AT_DOSE, 20.0, 30.0, True,
    )  # fmt: skip
    (dose,) = only("DC40%", "<=", 20.0)
    assert (dose.kind, dose.amount, dose.limit) == (ConstraintKind.DOSE_AT_VOLUME_PERCENT, 60.0, 20.0)
    assert only("CV12.5Gy[cc]", ">=", 1500.0) == only("HI", "<=", 0.1) == only("CI", ">=", 0.8) == []
