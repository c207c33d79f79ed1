"""A prediction shown in the scene: dose, colours, isodoses, DVH, goals, layout, in one call that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import Any

import numpy as np

from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.dosimetry.goals import GoalResult
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.worker.predictor import Prediction, patient_dvhs
from DosePredictionScene.colours import COLOUR_TABLE_ROLE, show_dose_colours, update_legend
from DosePredictionScene.dose_maps import DIFFERENCE_ROLE, colour_uncertainty, remove_map
from DosePredictionScene.dose_node import (
    DOSE_ROLE,
    DOSE_STD_ROLE,
    INTENDED_USE,
    predicted_dose_node,
    update_dose_node,
    update_dose_std_node,
)
from DosePredictionScene.dvh_chart import (
    CHART_ROLE,
    METRICS_ROLE,
    TABLE_ROLE,
    series_nodes,
    update_dvh_chart,
    update_metrics_table,
)
from DosePredictionScene.goals_table import TABLE_ROLE as GOALS_ROLE
from DosePredictionScene.goals_table import update_goals_table
from DosePredictionScene.isodose_lines import ISODOSE_ROLE, isodose_lines_in_pieces
from DosePredictionScene.isodose_scale import IsodoseScale
from DosePredictionScene.layout import (
    fit_slices_to,
    four_up_with_plot_and_table,
    ras_of_lps,
    show_chart_and_table,
    show_layers,
)
from DosePredictionScene.owned_nodes import owned_node, remove_node, remove_owned
from DosePredictionScene.pieces import Pieces, in_background, in_one_go
from DosePredictionScene.subject_hierarchy import item_of, place

PROVENANCE_ROLE = "DosePrediction.Provenance"
#: Of a predicted dose: the highest prescription, which percentages refer to.
PRESCRIPTION_ATTRIBUTE = "DosePrediction.PrescriptionGy"


@dataclass(frozen=True)
class SceneResult:
    """The nodes that show a prediction.

    Attributes:
        dose: vtkMRMLScalarVolumeNode, Gy.
        dose_std: likewise, standard deviation over the samples; None for one sample.
        isodoses: vtkMRMLModelNode.
        chart: vtkMRMLPlotChartNode.
        metrics, goals: vtkMRMLTableNode.
        provenance: vtkMRMLTextNode, as prediction.json.
    """

    dose: Any
    dose_std: Any
    isodoses: Any
    chart: Any
    metrics: Any
    goals: Any
    provenance: Any


def show_prediction(
    ct_node: Any,
    prediction: Prediction,
    goals: Sequence[GoalResult],
    *,
    reference_dvhs: Mapping[str, Dvh] | None = None,
) -> SceneResult:
    """Show a prediction on its CT. Shown again, it updates the nodes that are there.

    The layout, the slice views' zoom and position are set the first time only: they are the user's afterwards.

    Args:
        ct_node: the CT whose patient was predicted.
        prediction: dose on that patient's grid.
        goals: the dose held against its goals.
        reference_dvhs: DVHs of a reference dose by structure name, for comparison; None takes those of the patient's
            reference dose, if there is one.

    Raises:
        InputError: the CT's study holds doses in another unit; nothing is shown then.
    """
    return in_one_go(prediction_shown_in_pieces(ct_node, prediction, goals, reference_dvhs=reference_dvhs))


def prediction_shown_in_pieces(
    ct_node: Any,
    prediction: Prediction,
    goals: Sequence[GoalResult],
    *,
    reference_dvhs: Mapping[str, Dvh] | None = None,
    reference_goals: Sequence[GoalResult] | None = None,
) -> Pieces[SceneResult]:
    """As `show_prediction`, in pieces; DVHs are computed in a thread.

    Args:
        reference_goals: a reference dose held against the same goals; the goals table shows both.
    """
    patient = prediction.patient
    dvhs = yield from in_background(lambda: prediction.dvhs)
    if reference_dvhs is None and patient.reference_dose is not None:
        reference_dvhs = yield from in_background(patient_dvhs, patient, patient.reference_dose)
    bands = None
    if prediction.dose_std is not None:
        bands = yield from in_background(_band_dvhs, prediction)
    first_time = predicted_dose_node(ct_node) is None
    scale = IsodoseScale.for_prescription(patient.prescription_gy)
    dose = update_dose_node(ct_node, prediction.dose)
    dose.SetAttribute(PRESCRIPTION_ATTRIBUTE, f"{patient.prescription_gy:g}")
    yield None
    show_dose_colours(dose, scale)
    update_legend(dose)
    yield None
    if prediction.dose_std is None:
        remove_map(ct_node, DOSE_STD_ROLE)
        dose_std = None
    else:
        dose_std = update_dose_std_node(ct_node, prediction.dose_std)
        colour_uncertainty(dose_std, patient.prescription_gy)
    yield None
    isodoses = yield from isodose_lines_in_pieces(dose, scale)
    yield None
    colours = {structure.name: structure.color for structure in patient.structures}
    chart = update_dvh_chart(dose, dvhs, colours, reference_dvhs, _chart_title(patient, bool(reference_dvhs)), bands)
    yield None
    metrics = update_metrics_table(dose, dvhs)
    yield None
    goals_table = update_goals_table(dose, goals, reference_goals)
    provenance = _update_provenance(dose, prediction)
    result = SceneResult(dose, dose_std, isodoses, chart, metrics, goals_table, provenance)
    yield None
    show_layers(ct_node, dose)
    show_chart_and_table(result.chart, result.goals)
    if first_time:
        four_up_with_plot_and_table()
        show_layers(ct_node, dose)  # the layout may have made slice views
        show_chart_and_table(result.chart, result.goals)
        fit_slices_to(ct_node, ras_of_lps(dose_centre(patient, prediction.dose)))
    return result


def remove_prediction(ct_node: Any) -> None:
    """Take all that shows the prediction of a CT out of the scene."""
    dose = predicted_dose_node(ct_node)
    remove_map(ct_node, DOSE_STD_ROLE)
    remove_map(ct_node, DIFFERENCE_ROLE)
    if dose is None:
        return
    chart = dose.GetNodeReference(CHART_ROLE)
    for series in series_nodes(chart) if chart is not None else []:
        remove_node(series)
    isodose_table = dose.GetNodeReference(COLOUR_TABLE_ROLE)
    if isodose_table is not None:
        remove_owned(isodose_table, COLOUR_TABLE_ROLE)
    for role in (CHART_ROLE, TABLE_ROLE, METRICS_ROLE, GOALS_ROLE, ISODOSE_ROLE, PROVENANCE_ROLE, COLOUR_TABLE_ROLE):
        remove_owned(dose, role)
    remove_owned(ct_node, DOSE_ROLE)


def dose_centre(patient: Patient, dose: Volume) -> np.ndarray:
    """Where to look first, LPS mm: the dose-weighted centre of the target with the highest prescription.

    Without dose there, that target's centre; without a target, the hottest voxel.
    """
    if not patient.targets:
        return dose.geometry.lps_of_index(np.array(np.unravel_index(int(dose.array.argmax()), dose.array.shape)))
    mask = patient.targets[0].mask
    inside = np.argwhere(mask.array != 0)
    weights = dose.on_grid(mask.geometry).array[tuple(inside.T)].astype(float)
    if not weights.sum() > 0.0:
        weights = np.ones(len(inside))
    return mask.geometry.lps_of_index(np.average(inside, axis=0, weights=weights))


def _band_dvhs(prediction: Prediction) -> dict[str, tuple[Dvh, Dvh]]:
    """DVHs of the dose less and plus its standard deviation, by structure name."""
    assert prediction.dose_std is not None
    dose, std = prediction.dose.array, prediction.dose_std.array
    low, high = (
        patient_dvhs(prediction.patient, Volume(array, prediction.dose.geometry))
        for array in (np.maximum(dose - std, 0.0), dose + std)
    )
    return {name: (low[name], high[name]) for name in low}


def _chart_title(patient: Patient, with_reference: bool) -> str:
    doses = "predicted dose (solid) and reference dose (dashed)" if with_reference else "predicted dose"
    return f"{patient.identifier}: DVH of the {doses}, research use"


def _update_provenance(dose_node: Any, prediction: Prediction) -> Any:
    node = owned_node(dose_node, PROVENANCE_ROLE, "vtkMRMLTextNode", f"{dose_node.GetName()} provenance")
    node.SetText(dumps(asdict(prediction.provenance), indent=2))
    node.SetDescription(INTENDED_USE)
    place(node, item_of(dose_node))
    return node
