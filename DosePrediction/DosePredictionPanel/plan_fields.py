"""What the fields of the prescription section mean. No Qt."""

from __future__ import annotations

import re

from DosePredictionScene.patient_from_nodes import PlanContext
from slicer.i18n import tr as _

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.patient import Patient
from DosePredictionPanel.parameters import Parameters

TECHNIQUES = ("IMRT", "VMAT", "3D-CRT", "Protons")
SITES = ("head-and-neck", "brain", "thorax", "breast", "abdomen", "pelvis")


def beam_angles(text: str) -> BeamArrangement | None:
    """Coplanar beams from angles such as ``0, 40, 80``; None from no text.

    Raises:
        InputError: a word is no angle from 0 to 360.
    """
    words = [word for word in re.split(r"[,;\s]+", text.strip()) if word]
    angles = []
    for word in words:
        try:
            angle = float(word.removesuffix("\N{DEGREE SIGN}"))
        except ValueError:
            angle = float("nan")
        if not 0.0 <= angle <= 360.0:
            text = _("'{word}' is not a gantry angle; type angles from 0 to 360 with commas between.")
            raise InputError(text.format(word=word))
        angles.append(angle % 360.0)
    return BeamArrangement.coplanar(tuple(angles)) if angles else None


def plan_of(parameters: Parameters) -> PlanContext:
    """The plan that the panel describes.

    Raises:
        InputError: the beam angles are not angles.
    """
    return PlanContext(
        fractions=parameters.fractions or None,
        technique=parameters.technique or None,
        site=parameters.site or None,
        beams=beam_angles(parameters.beam_angles),
    )


def says_nothing(parameters: Parameters) -> bool:
    """Whether none of the fields is filled."""
    return not (parameters.fractions or parameters.technique or parameters.site or parameters.beam_angles)


def take_plan(plan: Patient | PlanContext, parameters: Parameters) -> None:
    """Fill the fields from a patient that was read from files, or from the plan of a dose."""
    parameters.fractions = plan.fractions or 0
    parameters.technique = plan.technique if plan.technique in TECHNIQUES else ""
    parameters.site = plan.site if plan.site in SITES else ""
    beams = plan.beams
    coplanar = beams is not None and beams.isocentre_mm is None and not any(b.couch_deg for b in beams.beams)
    parameters.beam_angles = ", ".join(f"{b.gantry_deg:g}" for b in beams.beams) if coplanar and beams else ""
