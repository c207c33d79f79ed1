"""Predictions kept to compare later ones with."""

from __future__ import annotations

from typing import Any

import slicer

from DosePredictionLib.errors import InputError
from DosePredictionScene.dose_maps import colour_uncertainty
from DosePredictionScene.dose_node import DOSE_STD_ROLE, DOSE_VOLUME_ATTRIBUTE, INTENDED_USE, predicted_dose_node
from DosePredictionScene.owned_nodes import default_display_node, new_node
from DosePredictionScene.provenance_node import provenance_of, update_provenance
from DosePredictionScene.scene_result import prescription_of
from DosePredictionScene.subject_hierarchy import hierarchy, item_of, place, study_of

#: Reference from a kept dose to the CT that it was predicted on.
KEPT_FOR_ROLE = "DosePrediction.KeptFor"
#: Reference from a kept dose to its uncertainty.
KEPT_STD_ROLE = "DosePrediction.KeptStandardDeviation"


def keep_prediction(ct_node: Any) -> Any:
    """Keep the dose predicted on a CT, and its uncertainty, under names of their own.

    The next prediction leaves them alone. The voxels are not copied: a new prediction gives the CT's nodes new ones.

    Returns:
        The vtkMRMLScalarVolumeNode of the kept dose, which SlicerRT takes for a dose too.

    Raises:
        InputError: nothing was predicted on the CT.
    """
    dose, std = predicted_dose_node(ct_node), ct_node.GetNodeReference(DOSE_STD_ROLE)
    if dose is None or dose.GetImageData() is None:
        raise InputError("No dose has been predicted on this CT, so there is none to keep.")
    kept = _kept_volume(ct_node, dose, _name(ct_node, dose), {DOSE_VOLUME_ATTRIBUTE: "1"})
    kept.SetNodeReferenceID(KEPT_FOR_ROLE, ct_node.GetID())
    kept.SetDescription(INTENDED_USE)
    hierarchy().RequestOwnerPluginSearch(item_of(kept))
    if std is not None and std.GetImageData() is not None:
        kept_std = _kept_volume(ct_node, std, f"{kept.GetName()}, uncertainty", {})
        colour_uncertainty(kept_std, prescription_of(dose))
        kept.SetNodeReferenceID(KEPT_STD_ROLE, kept_std.GetID())
    provenance = provenance_of(dose)
    if provenance is not None:
        update_provenance(kept, provenance)
    return kept


def _kept_volume(ct_node: Any, volume: Any, name: str, attributes: dict[str, str]) -> Any:
    """A node with the voxels, place and unit of another."""
    kept = new_node(volume, volume.GetClassName(), name, attributes=attributes)
    with slicer.util.NodeModify(kept):
        kept.CopyOrientation(volume)
        kept.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
        display = default_display_node(kept)
        display.AutoWindowLevelOff()
        display.AutoThresholdOff()
        kept.SetAndObserveImageData(volume.GetImageData())
        kept.SetVoxelValueUnits(volume.GetVoxelValueUnits())
    place(kept, study_of(ct_node))
    return kept


def kept_for(node: Any) -> Any:
    """The CT that a kept dose was predicted on; None for any other node."""
    return node.GetNodeReference(KEPT_FOR_ROLE)


def _name(ct_node: Any, dose: Any) -> str:
    """What tells it from the others first, for lists are narrow; numbered where that is not enough."""
    provenance = provenance_of(dose)
    made = "" if provenance is None else f" {provenance.system}, seed {provenance.seed}"
    name = f"Kept{made}: dose of {ct_node.GetName()}"
    return str(slicer.mrmlScene.GenerateUniqueName(name)) if slicer.mrmlScene.GetFirstNodeByName(name) else name
