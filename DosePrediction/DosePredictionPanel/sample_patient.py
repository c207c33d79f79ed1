"""The patient that comes with the module, loaded into the scene."""

from __future__ import annotations

from typing import Any

import slicer
from DosePredictionScene.nodes_from_patient import PatientNodes, nodes_in_pieces
from DosePredictionScene.overlay import show_ct
from DosePredictionScene.pieces import Pieces, in_background, in_one_go
from DosePredictionScene.self_test import sample_folder

from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import read_patient

SAMPLE_NAME = "DosePredictionHeadAndNeck"
CATEGORY = "Radiotherapy"


def sample_in_pieces() -> Pieces[tuple[Patient, PatientNodes]]:
    """Load the sample patient; its files are read in a thread."""
    patient = yield from in_background(lambda: read_patient(sample_folder()))
    nodes = yield from nodes_in_pieces(patient)
    return patient, nodes


def load_sample() -> list[Any]:
    """Load the sample patient and wait: for scripts. The views stay as they are.

    Returns:
        CT, segmentation with roles and prescriptions, clinical dose.
    """
    _patient, nodes = in_one_go(sample_in_pieces())
    return [node for node in (nodes.ct, nodes.segmentation, nodes.reference_dose) if node is not None]


def show_sample_ct(ct_node: Any) -> None:
    """Show the CT alone, whole, in all slice views."""
    show_ct(ct_node, None)
    slicer.util.setSliceViewerLayers(fit=True)


def load_and_show_sample(_source: Any = None) -> list[Any]:
    """What the Sample Data module's button does: load the sample patient, wait, and show its CT as Slicer's own are."""
    nodes = load_sample()
    show_sample_ct(nodes[0])
    return nodes


def register_sample(thumbnail: str) -> None:
    """List the sample patient in the Sample Data module.

    Its button calls `load_and_show_sample`. `SampleData.downloadSamples` goes by URLs alone and finds none: files would
    come without the roles and prescriptions of the structures, and the dose without its unit.
    """
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[],
        fileNames=[],
        nodeNames=[],
        thumbnailFileName=thumbnail,
        customDownloader=load_and_show_sample,
    )
