"""A dose as SlicerRT reads one: marked, in Gy, under the CT's study."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.volume import Volume
from DosePredictionScene.node_geometry import ras_matrix, world_matrix
from DosePredictionScene.owned_nodes import default_display_node, owned_node
from DosePredictionScene.pieces import Pieces, in_background
from DosePredictionScene.subject_hierarchy import hierarchy, item_of, place, require_gray, study_of
from DosePredictionScene.voxels import image_in_pieces

#: References on the CT node.
DOSE_ROLE = "DosePrediction.Dose"
DOSE_STD_ROLE = "DosePrediction.DoseStandardDeviation"
#: SlicerRT takes any scalar volume with this attribute for a dose, whatever its value.
DOSE_VOLUME_ATTRIBUTE = "DicomRtImport.DoseVolume"
INTENDED_USE = "Predicted dose. Research use, not for clinical decisions."


def predicted_dose_node(ct_node: Any) -> Any:
    """The dose predicted on a CT; None when there is none."""
    return ct_node.GetNodeReference(DOSE_ROLE)


def dose_node_in_pieces(ct_node: Any, dose: Volume) -> Pieces[Any]:
    """Put a predicted dose into the scene, or into the node that holds the CT's earlier prediction.

    Args:
        ct_node: the CT that the dose was predicted on.
        dose: Gy, on any grid in the patient (LPS, the CT's parent transform applied); negative doses become 0, which
            SlicerRT's DVH module insists on.

    Returns:
        The vtkMRMLScalarVolumeNode. It lies under the CT's parent transform and moves with it.

    Raises:
        InputError: the doses of the CT's study are in another unit than Gy; nothing has changed then.
    """
    study = study_of(ct_node)
    require_gray(study)
    image = yield from _image(dose)
    name = f"{ct_node.GetName()} predicted dose"
    node = owned_node(ct_node, DOSE_ROLE, "vtkMRMLScalarVolumeNode", name, attributes={DOSE_VOLUME_ATTRIBUTE: "1"})
    node.SetDescription(INTENDED_USE)
    put_image(node, image, dose.geometry, ct_node)
    place(node, study)
    # SlicerRT's plugin owns dose volumes; a search at AddNode may have come before the attribute was read.
    hierarchy().RequestOwnerPluginSearch(item_of(node))
    return node


def dose_std_node_in_pieces(ct_node: Any, dose_std: Volume) -> Pieces[Any]:
    """Put a prediction's uncertainty into the scene, Gy: calibrated, or else the samples' standard deviation.

    It is not marked as a dose: isodoses and DVHs of it would mean nothing.
    """
    image = yield from _image(dose_std)
    name = f"{ct_node.GetName()} predicted dose, uncertainty"
    node = owned_node(ct_node, DOSE_STD_ROLE, "vtkMRMLScalarVolumeNode", name)
    put_image(node, image, dose_std.geometry, ct_node)
    place(node, study_of(ct_node))
    return node


def put_image(node: Any, image: Any, geometry: Geometry, ct_node: Any) -> None:
    """Give a volume node its voxels (Gy), grid, unit and the CT's parent transform, all at once."""
    # The grid lies in the world; the node lies under the CT's transform.
    to_node = np.linalg.inv(world_matrix(ct_node)) @ slicer.util.arrayFromVTKMatrix(ras_matrix(geometry))
    transform = ct_node.GetParentTransformNode()
    with slicer.util.NodeModify(node):
        # Automatic windows and thresholds are made anew for every image, from all of its voxels.
        display = default_display_node(node)
        display.AutoWindowLevelOff()
        display.AutoThresholdOff()
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(to_node))
        node.SetAndObserveTransformNodeID(transform.GetID() if transform is not None else None)
        node.SetAndObserveImageData(image)
        gray = slicer.vtkCodedEntry()
        gray.SetValueSchemeMeaning("Gy", "UCUM", "gray")
        node.SetVoxelValueUnits(gray)


def _image(volume: Volume) -> Pieces[Any]:
    array = yield from in_background(lambda: np.maximum(volume.array, 0.0).astype(np.float32, copy=False))
    image = yield from image_in_pieces(array)
    return image
