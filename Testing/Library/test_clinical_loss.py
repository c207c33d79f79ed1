"""The planning constraints as a loss: soft figures that tend to the hard ones, gradients, and what is asked of whom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from phantom import AXIAL, ball_patient, points_mm
from scipy.ndimage import gaussian_filter

from DosePredictionLib.conditioning.channels import CHANNELS, model_input
from DosePredictionLib.dosimetry.constraints import constraints_of
from DosePredictionLib.dosimetry.dvh import compute_dvh
from DosePredictionLib.dosimetry.goal import Goal, GoalSet
from DosePredictionLib.dosimetry.goal_fractions import goals_for_fractions
from DosePredictionLib.dosimetry.goals import bundled_goals
from DosePredictionLib.dosimetry.metric import Metric
from DosePredictionLib.patient.reading import read_patient
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.resources import resource_path
from DosePredictionLib.training.case_cache import training_case
from DosePredictionLib.training.case_patient import patient_of
from DosePredictionLib.training.clinical_loss import (
    HARD,
    SOFT,
    PatientConstraint,
    StructureVoxels,
    clinical_loss,
    constraints_for,
    measured,
    missed_percent,
    soft_quantile,
    soft_volume,
)
from DosePredictionLib.training.config import TrainingConfig
from DosePredictionLib.training.constraint_masks import ConstraintMasks

METRICS = ("Dmax", "Dmin", "Dmean", "D95%", "D2%", "D0.5cc", "V20Gy", "V50Gy", "V95%Rx", "V40Gy[cc]")


def constraint(metric: str, comparator: str, limit: float, structure: str = "SpinalCord", priority: int = 1):
    goal = Goal(structure, Metric.parse(metric), comparator, limit, priority=priority, source="test")
    (found,) = constraints_of([goal])
    return found


def voxels(count: int, seed: int = 0) -> StructureVoxels:
    fractions = np.random.default_rng(seed).uniform(0.2, 1.0, count)
    return StructureVoxels(torch.arange(count), torch.from_numpy(fractions), 0.04)


@pytest.mark.parametrize("metric", METRICS)
def test_a_hard_figure_is_the_dvhs(metric):
    """On whole voxels and a smooth dose, the figures are those of the DVH, within what its finer sampling makes."""
    patient = ball_patient()
    target = patient.targets[0]
    distance = np.linalg.norm(points_mm(AXIAL) - (20.0, 0.0, 0.0), axis=-1)
    dose = Volume((75.0 - 0.3 * distance).astype(np.float32), AXIAL)
    inside = np.flatnonzero(target.mask.array)
    structure = StructureVoxels(torch.from_numpy(inside), torch.ones(len(inside)), AXIAL.voxel_volume_cc)
    asked = constraint(metric, "<=", 1.0)
    flat = torch.from_numpy(dose.array).reshape(-1)[structure.voxels]
    ours = float(measured(flat, structure, asked, 70.0, HARD))
    wanted = Metric.parse(metric).measure(compute_dvh(dose, target), dose, target, 70.0)
    if metric.startswith("V"):
        assert ours == pytest.approx(wanted, abs=3.0 if "cc" not in metric else 1.0)
    else:
        assert ours == pytest.approx(wanted, abs=1.0)  # half a voxel of this gradient


@pytest.mark.parametrize("metric", METRICS)
def test_the_gradient_is_that_of_finite_differences(metric):
    structure = voxels(40)
    doses = torch.tensor(np.random.default_rng(1).uniform(0, 75, 40), requires_grad=True)
    asked = constraint(metric, "<=", 1.0)
    assert torch.autograd.gradcheck(
        lambda x: measured(x, structure, asked, 70.0, SOFT), (doses,), eps=1e-5, atol=1e-5, rtol=1e-3
    )
    measured(doses, structure, asked, 70.0, SOFT).backward()
    assert doses.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("metric", "comparator", "limit"),
    [("Dmax", "<=", 45.0), ("V20Gy", "<=", 30.0), ("Dmean", "<=", 26.0), ("D95%", ">=", 66.5), ("V95%Rx", ">=", 95.0)],
)
def test_the_whole_loss_has_the_gradient_of_finite_differences_and_descends(metric, comparator, limit):
    structures = [voxels(100)]
    asked = [PatientConstraint(constraint(metric, comparator, limit), 70.0, (0,))]
    doses = torch.tensor(np.random.default_rng(2).uniform(0, 75, 100), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: clinical_loss(x, asked, structures), (doses,), eps=1e-5, atol=1e-5)
    before = clinical_loss(doses, asked, structures)
    assert before > 0
    optimiser = torch.optim.Adam([doses], lr=1.0)
    for _ in range(100):
        optimiser.zero_grad()
        clinical_loss(doses, asked, structures).backward()
        optimiser.step()
    assert clinical_loss(doses, asked, structures) < 0.3 * before


def test_a_met_constraint_costs_nothing_and_pulls_at_nothing():
    doses = torch.full((30,), 40.0, dtype=torch.float64, requires_grad=True)
    asked = [PatientConstraint(constraint("Dmax", "<=", 45.0), 70.0, (0,))]
    loss = clinical_loss(doses, asked, [voxels(30)])
    loss.backward()
    assert loss == 0 and doses.grad.abs().sum() == 0
    assert missed_percent(doses.detach(), asked, [voxels(30)]) == 0.0
    assert missed_percent(doses.detach() + 6, asked, [voxels(30)]) == 100.0
    # Squared and relative to the limit, times the weight of priority 1.
    assert clinical_loss(doses.detach() + 14, asked, [voxels(30)]) == pytest.approx((54 / 45 - 1) ** 2)


@pytest.mark.parametrize("prescription_gy", [50.0, 56.0, 70.0])
def test_a_covered_target_is_left_alone_whichever_way_coverage_is_asked(prescription_gy):
    """V100%Rx >= 95 % costs what D95% >= 100 %Rx costs: nothing from 101 % on, and less the nearer to it."""
    target = [voxels(400)]
    ways = [PatientConstraint(constraint(metric, ">=", limit, "PTV_High"), prescription_gy, (0,))
            for metric, limit in (("V100%Rx", 95.0), ("D95%[%Rx]", 100.0))]  # fmt: skip
    spread = torch.tensor(np.random.default_rng(4).normal(0, 0.002, 400))
    costs = []
    for percent in (90.0, 95.0, 98.0, 100.0, 101.0, 103.0):
        dose = prescription_gy * (percent / 100.0 + spread)
        one, other = (clinical_loss(dose, [way], target) for way in ways)
        assert one == pytest.approx(other)
        costs.append(float(one))
    assert costs[4:] == [0.0, 0.0] and costs == sorted(costs, reverse=True)
    assert costs[2] == pytest.approx(0.02**2, rel=0.5)  # relative to the dose: 2 % short
    # And a gradient from far away.
    dose = torch.full((400,), 0.5 * prescription_gy, dtype=torch.float64, requires_grad=True)
    clinical_loss(dose, ways[:1], target).backward()
    assert dose.grad.sum() < 0


def test_a_plan_of_many_met_constraints_is_pulled_no_harder_than_one_of_few():
    hot = torch.full((30,), 54.0, dtype=torch.float64)
    asked = [PatientConstraint(constraint("Dmax", "<=", 45.0), 70.0, (0,))]
    assert clinical_loss(hot, asked * 7, [voxels(30)]) == pytest.approx(clinical_loss(hot, asked, [voxels(30)]))


def test_what_augmentation_left_nothing_of_is_not_asked_for():
    """A lens or a chiasm may lie outside the canvas or have no voxel left after resampling."""
    nothing = StructureVoxels(torch.arange(0), torch.zeros(0, dtype=torch.float64), 0.04)
    doses = torch.full((30,), 54.0, dtype=torch.float64, requires_grad=True)
    limits = [constraint(metric, "<=", 1.0) for metric in METRICS] + [constraint("V95%Rx", ">=", 95.0)]
    gone = [PatientConstraint(one, 70.0, (1,)) for one in limits]
    cord = PatientConstraint(constraint("Dmax", "<=", 45.0), 70.0, (0,))
    structures = [voxels(30), nothing]
    loss = clinical_loss(doses, [cord, *gone], structures)
    loss.backward()
    assert float(loss) == pytest.approx(0.2**2) and torch.isfinite(doses.grad).all() and doses.grad.sum() > 0
    assert missed_percent(doses.detach(), [cord, *gone], structures) == 100.0
    # Of left and right the one that is there counts.
    either = PatientConstraint(cord.constraint, 70.0, (0, 1))
    assert clinical_loss(doses.detach(), [either], structures) == pytest.approx(0.2**2)
    assert clinical_loss(doses.detach(), gone, structures) == 0
    assert np.isnan(missed_percent(doses.detach(), gone, structures))


def test_the_ring_that_no_clinical_plan_meets_is_judged_but_not_in_the_loss():
    goals = bundled_goals("addiff-dose")
    (ring,) = [goal for goal in goals.goals if goal.active and not goal.in_loss]
    assert ring.structure == "ring 10-20 mm around lowest target minus targets" and "38 of 38" in ring.note
    assert ring in [one.goal for one in goals_for_fractions(goals, 35)]  # what the goals table shows
    (limit,) = constraints_of([ring])
    asked = [PatientConstraint(limit, 56.0, (0,))]
    doses = torch.full((30,), 54.0, dtype=torch.float64, requires_grad=True)
    assert clinical_loss(doses, asked, [voxels(30)]) == 0
    assert missed_percent(doses.detach(), asked, [voxels(30)]) == 100.0
    # Nor does it dilute the others.
    cord = PatientConstraint(constraint("Dmax", "<=", 45.0), 70.0, (0,))
    assert clinical_loss(doses, [*asked, cord], [voxels(30)]) == clinical_loss(doses, [cord], [voxels(30)]) > 0


def test_the_clinical_term_does_not_drown_the_squared_error():
    """A real plan's dose made some 2.5 Gy wrong: summed over voxels, the limits pull less than the error itself."""
    case = training_case(read_patient(resource_path("SampleData", "openkbp-pt_236")), CHANNELS)
    known = ConstraintMasks(bundled_goals("addiff-dose")).of(case)
    region, gy_per_unit = case.inputs.region, case.inputs.prescription_gy / 2
    clean = case.dose_gy.astype(np.float32)
    wrong = gaussian_filter(np.random.default_rng(0).standard_normal(clean.shape), 2)
    predicted = gaussian_filter(clean, 1.0) + 3.0 * wrong / wrong.std()
    units = torch.tensor(predicted / gy_per_unit - 1, dtype=torch.float32, requires_grad=True)
    error = (units - torch.from_numpy(clean / gy_per_unit - 1)).square()[torch.from_numpy(region)].mean()
    clinical = clinical_loss((units + 1) * gy_per_unit, known.constraints, known.structures)
    pulls = [torch.autograd.grad(one, units)[0][torch.from_numpy(region)].abs().sum()
             for one in (error, TrainingConfig.clinical_weight * clinical)]  # fmt: skip
    assert 0.02 < pulls[1] / pulls[0] < 1.0
    # Nor does the clinical dose itself cost more than such an error does.
    assert clinical_loss(torch.from_numpy(clean), known.constraints, known.structures) < 0.05


def test_a_volume_counts_by_the_part_of_the_organ_as_in_the_paper():
    doses = torch.tensor([-40.0] * 5 + [80.0] * 5, dtype=torch.float64)
    whole = StructureVoxels(torch.arange(10), torch.ones(10, dtype=torch.float64), 0.04)
    asked = [PatientConstraint(constraint("V20Gy", "<=", 30.0), 70.0, (0,))]
    assert clinical_loss(doses, asked, [whole]) == pytest.approx((0.5 - 0.3) ** 2, rel=1e-6)


def test_priority_weighs_and_the_best_of_several_counts():
    doses = torch.cat([torch.full((10,), 60.0), torch.full((10,), 20.0)]).double()
    hot = StructureVoxels(torch.arange(10), torch.ones(10).double(), 0.04)
    cold = StructureVoxels(torch.arange(10, 20), torch.ones(10).double(), 0.04)
    first, third = (constraint("Dmean", "<=", 26.0, priority=p) for p in (1, 3))
    met = PatientConstraint(constraint("Dmean", "<=", 70.0, priority=2), 70.0, (0,))
    losses = [clinical_loss(doses, [PatientConstraint(one, 70.0, (0,)), met], [hot, cold]) for one in (first, third)]
    wanted = [one.weight / (one.weight + met.constraint.weight) * (60 / 26 - 1) ** 2 for one in (first, third)]
    assert losses == pytest.approx(wanted)
    assert clinical_loss(doses, [PatientConstraint(first, 70.0, (0, 1))], [hot, cold]) == 0


def test_soft_figures_of_fractions_weigh_by_volume():
    doses = torch.tensor([10.0, 50.0])
    assert soft_volume(doses, torch.tensor([0.75, 0.25]), 30.0, 0.1) == pytest.approx(0.25, abs=1e-6)
    even, uneven = torch.ones(200), torch.cat([torch.full((100,), 0.1), torch.ones(100)])
    rising = torch.arange(200.0)
    assert soft_quantile(rising, even, 0.5, 0.01) == pytest.approx(99.5, abs=0.5)
    assert soft_quantile(rising, uneven, 0.5, 0.01) == pytest.approx(144.5, abs=1.5)  # 10 cc cold, 100 cc hot
    # Over so wide a range of volumes it is the mean dose, in which a voxel counts by its part inside.
    mean = float((rising * uneven).sum() / uneven.sum())
    assert soft_quantile(rising, uneven, 0.5, 1e3) == pytest.approx(mean, rel=1e-4)


def test_only_structures_that_are_there_are_asked_for():
    goals = bundled_goals("addiff-dose")
    patient = ball_patient()
    asked, structures = constraints_for(patient, goals)
    named = {one.constraint.structure for one in asked}
    assert {"SpinalCord", "SpinalCord_PRV05", "each target", "highest target"} <= named
    assert not named & {"Heart", "Lungs-GTV", "Brainstem"}
    assert any("ring" in name for name in named) and any("Parotid-PTV" in name for name in named)
    assert {number for one in asked for number in one.structures} == set(range(len(structures)))
    # "Each target" has its own prescription, and a ring that of the target it surrounds.
    assert sorted({one.prescription_gy for one in asked if one.constraint.structure == "each target"}) == [56.0, 70.0]
    without = patient.with_structures(s for s in patient.structures if s.standard_name != "SpinalCord")
    fewer, _ = constraints_for(without, goals)
    assert len(asked) - len(fewer) == sum(one.constraint.structure.startswith("SpinalCord") for one in asked) > 0
    inactive = GoalSet("none", "", "", tuple(replace(goal, active=False) for goal in goals.goals))
    assert constraints_for(patient, inactive) == ([], [])


def test_a_case_tells_its_patients_structures():
    patient = ball_patient()
    again = patient_of(model_input(patient, CHANNELS), "ball")
    assert [target.prescription_gy for target in again.targets] == [70.0, 56.0]
    assert {s.standard_name for s in again.with_role(StructureRole.OAR)} == {"SpinalCord", "Parotid_L", "Parotid_R"}
    for name in ("SpinalCord", "Parotid_L"):
        volumes = [one.standard(name).mask for one in (patient, again)]
        sizes = [np.count_nonzero(mask.array) * mask.geometry.voxel_volume_cc for mask in volumes]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
