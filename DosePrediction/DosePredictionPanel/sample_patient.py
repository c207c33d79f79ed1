"""The patient that comes with the module, loaded into the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from DosePredictionScene.nodes_from_patient import PatientNodes, nodes_from_patient
from DosePredictionScene.pieces import Pieces, in_background, in_one_go

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, read_patient
from DosePredictionLib.resources import resource_path

SAMPLE_NAME = "DosePredictionHeadAndNeck"
CATEGORY = "Radiotherapy"


def sample_folder() -> Path:
    """The sample patient's folder.

    Raises:
        InputError: the module came without one.
    """
    cases = find_cases(resource_path("SampleData"))
    if not cases:
        raise InputError("The module came without a sample patient; reinstall it.")
    return cases[0]


def sample_in_pieces() -> Pieces[tuple[Patient, PatientNodes]]:
    """Load the sample patient; its files are read in a thread."""
    patient = yield from in_background(lambda: read_patient(sample_folder()))
    return patient, nodes_from_patient(patient)


def load_sample(_source: Any = None) -> list[Any]:
    """Load the sample patient and wait: for the Sample Data module."""
    _patient, nodes = in_one_go(sample_in_pieces())
    return [node for node in (nodes.ct, nodes.segmentation, nodes.reference_dose) if node is not None]


def register_sample(thumbnail: str) -> None:
    """List the sample patient in the Sample Data module."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris="",
        fileNames="",
        nodeNames="",
        thumbnailFileName=thumbnail,
        customDownloader=load_sample,
    )
