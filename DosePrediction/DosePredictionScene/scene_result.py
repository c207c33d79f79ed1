"""A prediction shown in the scene: dose, colours, isodoses, DVH, goals, layout, in one call that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.dosimetry.goals import GoalResult
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionLib.worker.predictor import Prediction, patient_dvhs
from DosePredictionScene.colours import show_dose_colours, update_legend
from DosePredictionScene.dose_maps import DIFFERENCE_ROLE, colour_uncertainty, remove_map
from DosePredictionScene.dose_node import (
    DOSE_STD_ROLE,
    dose_node_in_pieces,
    dose_std_node_in_pieces,
    predicted_dose_node,
)
from DosePredictionScene.dvh_chart import dvh_chart_in_pieces, update_metrics_table
from DosePredictionScene.goals_table import update_goals_table
from DosePredictionScene.isodose_lines import LEVELS_ATTRIBUTE, isodose_lines_in_pieces
from DosePredictionScene.layout import (
    fit_slices_to,
    four_up_with_plot_and_table,
    ras_of_lps,
    show_chart_and_table,
    show_layers,
)
from DosePredictionScene.measured import Measured
from DosePredictionScene.owned_nodes import remove_owned
from DosePredictionScene.pieces import Pieces, in_background, in_one_go, while_in_scene
from DosePredictionScene.provenance_node import update_provenance
from DosePredictionScene.scorecard_table import TABLE_ROLE as SCORECARD_ROLE

#: Of a predicted dose: the highest prescription, which percentages refer to.
PRESCRIPTION_ATTRIBUTE = "DosePrediction.PrescriptionGy"
#: Taken for a dose that says none: the usual one of the head and neck.
USUAL_PRESCRIPTION_GY = 70.0


@dataclass(frozen=True)
class SceneResult:
    """The nodes that show a prediction.

    Attributes:
        dose: vtkMRMLScalarVolumeNode, Gy.
        dose_std: likewise, its uncertainty (`Prediction.dose_std`); None for one sample.
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


def prescription_of(dose_node: Any) -> float:
    """The highest prescription of a predicted dose, Gy, which percentages of it refer to."""
    return float(dose_node.GetAttribute(PRESCRIPTION_ATTRIBUTE) or 0.0) or USUAL_PRESCRIPTION_GY


def show_prediction(
    ct_node: Any,
    prediction: Prediction,
    goals: Sequence[GoalResult],
    *,
    reference_dvhs: Mapping[str, Dvh] | None = None,
) -> SceneResult:
    """As `measured_shown_in_pieces`, for scripts.

    Args:
        ct_node: the CT whose patient was predicted.
        prediction: dose on that patient's grid.
        goals: the dose held against its goals.
        reference_dvhs: DVHs of a reference dose by structure name, for comparison; None takes those of the patient's
            reference dose, if there is one.
    """
    if reference_dvhs is None and prediction.patient.reference_dose is not None:
        reference_dvhs = patient_dvhs(prediction.patient, prediction.patient.reference_dose)
    return in_one_go(measured_shown_in_pieces(ct_node, Measured(prediction, tuple(goals), reference_dvhs)))


def measured_shown_in_pieces(ct_node: Any, measured: Measured) -> Pieces[SceneResult]:
    """Show a prediction on its CT. Shown again, it updates the nodes that are there.

    The layout, the slice views' zoom and position are set the first time only: they are the user's afterwards.

    Args:
        ct_node: the CT whose patient was predicted.
        measured: dose on that patient's grid, with what was found in it.

    Raises:
        InputError: the CT's study holds doses in another unit, and nothing is shown then; or the CT or the dose was
            removed meanwhile.
    """
    prediction = measured.prediction
    patient = prediction.patient
    dvhs, bands = yield from _dvhs_and_bands(prediction)
    centre = yield from in_background(dose_centre, patient, prediction.dose)
    gone = "The CT was removed while its dose was measured, so the dose is not shown."
    first_time = slicer.mrmlScene.IsNodePresent(ct_node) and predicted_dose_node(ct_node) is None
    dose = yield from while_in_scene((ct_node,), _dose_shown(ct_node, prediction), gone)
    rest = _measures_shown(ct_node, dose, measured, dvhs, bands)
    gone = "The CT or its dose was removed while the dose was shown, so not all of it is there; predict again."
    result = yield from while_in_scene((ct_node, dose), rest, gone)
    show_layers(ct_node, dose)
    show_chart_and_table(result.chart, result.goals)
    if first_time:
        yield None
        four_up_with_plot_and_table()
        show_layers(ct_node, dose)  # the layout may have made slice views
        show_chart_and_table(result.chart, result.goals)
        fit_slices_to(ct_node, ras_of_lps(centre))
    return result


def _dose_shown(ct_node: Any, prediction: Prediction) -> Pieces[Any]:
    prescription_gy = prediction.patient.prescription_gy
    dose = yield from dose_node_in_pieces(ct_node, prediction.dose)
    # Of the dose before:
    remove_owned(dose, SCORECARD_ROLE)
    remove_map(ct_node, DIFFERENCE_ROLE)
    dose.RemoveAttribute(LEVELS_ATTRIBUTE)
    dose.SetAttribute(PRESCRIPTION_ATTRIBUTE, f"{prescription_gy:g}")
    yield None
    show_dose_colours(dose, IsodoseScale.for_prescription(prescription_gy))
    yield None
    update_legend(dose)
    return dose


def _measures_shown(
    ct_node: Any,
    dose: Any,
    measured: Measured,
    dvhs: Mapping[str, Dvh],
    bands: Mapping[str, tuple[Dvh, Dvh]] | None,
) -> Pieces[SceneResult]:
    """All but the dose itself."""
    prediction, patient = measured.prediction, measured.prediction.patient
    scale = IsodoseScale.for_prescription(patient.prescription_gy)
    if prediction.dose_std is None:
        remove_map(ct_node, DOSE_STD_ROLE)
        dose_std = None
    else:
        dose_std = yield from dose_std_node_in_pieces(ct_node, prediction.dose_std)
        colour_uncertainty(dose_std, patient.prescription_gy)
    yield None
    isodoses = yield from isodose_lines_in_pieces(dose, scale)
    yield None
    chart, goals_table, metrics = yield from _chart_and_tables(dose, measured, dvhs, bands)
    provenance = update_provenance(dose, prediction.provenance)
    return SceneResult(dose, dose_std, isodoses, chart, metrics, goals_table, provenance)


def measures_updated_in_pieces(dose_node: Any, measured: Measured) -> Pieces[None]:
    """Bring the DVH chart and the tables of a shown dose to what was measured anew in it.

    Raises:
        InputError: the dose was removed meanwhile.
    """
    gone = "The dose was removed while it was measured, so the goals are not shown."
    yield from while_in_scene((dose_node,), _measures_updated(dose_node, measured), gone)


def _measures_updated(dose_node: Any, measured: Measured) -> Pieces[None]:
    prediction = measured.prediction
    dvhs, bands = yield from _dvhs_and_bands(prediction)
    yield from _chart_and_tables(dose_node, measured, dvhs, bands)


def _chart_and_tables(
    dose: Any, measured: Measured, dvhs: Mapping[str, Dvh], bands: Mapping[str, tuple[Dvh, Dvh]] | None
) -> Pieces[tuple[Any, Any, Any]]:
    """Chart, goals table and metrics table."""
    colours = {structure.name: structure.color for structure in measured.prediction.patient.structures}
    title = _chart_title(bool(measured.reference_dvhs))
    chart = yield from dvh_chart_in_pieces(dose, dvhs, colours, measured.reference_dvhs, title, bands)
    yield None
    goals = update_goals_table(dose, measured.goals, measured.reference_goals, measured.reference_label)
    yield None
    metrics = update_metrics_table(dose, dvhs)
    yield None
    return chart, goals, metrics


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


def _dvhs_and_bands(prediction: Prediction) -> Pieces[tuple[dict[str, Dvh], dict[str, tuple[Dvh, Dvh]] | None]]:
    """The curves of the dose and, where there is an uncertainty, its bands; in threads."""
    dvhs = yield from in_background(lambda: prediction.dvhs)
    bands = yield from in_background(lambda: prediction.dvh_bands)
    return dvhs, bands


def _chart_title(with_reference: bool) -> str:
    doses = "predicted (solid), reference (dashed)" if with_reference else "predicted"
    return f"DVH {doses}, research use"
