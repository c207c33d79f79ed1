"""prediction.json as commands read it: how a dose was made, and whether it is the case's own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.checks import without_what_lies_outside
from DosePredictionLib.patient.image_file import image_stem
from DosePredictionLib.patient.made_by_model import PREDICTION
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.patient_digest import ct_digest
from DosePredictionLib.review.plan_digest import is_of_another_plan

#: What other files say that name a system, too: a summary of `evaluate`, and what lies beside a sampled modality.
_OF_OTHERS = {"dataset", "modality"}


def provenance_beside(dose: Path) -> Path | None:
    """The prediction.json of a dose that `predict` wrote; None for any other dose."""
    path = dose.with_name(PREDICTION)
    return path if image_stem(dose) == "dose" and path.exists() else None


def told_of(path: Path, provenance: Mapping[str, Any], patient: Patient) -> list[str]:
    """What to tell of a prediction.json that is about another patient, or another plan: one sentence, or nothing."""
    return another_patients(path, provenance, patient) or _changed_plan(path, provenance, patient)


def another_patients(path: Path, provenance: Mapping[str, Any], patient: Patient) -> list[str]:
    """What to tell of a prediction.json that is about another patient: one sentence, or nothing.

    The CT tells, where both have one: a case has other names in other batches, and names, roles and prescriptions may
    be edited after the prediction. Without it names do.
    """
    made_for, made_on, own = provenance.get("patient"), provenance.get("ct_digest"), patient.identifier
    digest = ct_digest(patient) if made_on else None
    if made_for is None or digest is not None and digest == made_on:
        return []
    file = f"{path.resolve().parent.name}/{path.name}"
    if digest is not None:
        return [f"{file} is about {made_for}, whose CT is not that of the case {own}; check whose dose it is."]
    return [] if _may_be_one_folder(str(made_for), own) else [f"{file} is about {made_for}, the case is {own}."]


def _changed_plan(path: Path, provenance: Mapping[str, Any], patient: Patient) -> list[str]:
    """What to tell of a prediction.json that was made before the patient's plan was changed: a sentence, or nothing."""
    with suppress(InputError):  # as predict looked at the case; what is wrong with a target is told elsewhere
        patient = without_what_lies_outside(patient)
    if not is_of_another_plan(provenance, patient):
        return []
    return [
        f"{path.resolve().parent.name}/{path.name} is of another plan of {patient.identifier} than the case now has: "
        "contours, roles, prescriptions, fractions, site, technique or beams were changed since. The dose is what was "
        "predicted then; predict again for one of this plan."
    ]


def _may_be_one_folder(one: str, other: str) -> bool:
    """Whether two identifiers may be one case's: in a batch it is ``patient1_DICOM``, by itself ``DICOM``."""
    longer, shorter = sorted((one.casefold(), other.casefold()), key=len, reverse=True)
    return longer == shorter or longer.endswith(f"_{shorter}")


def read_provenance(path: Path) -> Mapping[str, Any]:
    """The content of a prediction.json.

    Raises:
        InputError: it can't be read.
    """
    content = read_json(path, "how a dose was made")
    if not isinstance(content, dict) or not _is_provenance(content):
        raise InputError(f"{path} is no prediction.json that predict wrote; put it back, or take it away.")
    return content


def named_provenance(path: Path) -> Mapping[str, Any]:
    """The content of a prediction.json that the user names, which must say what the report says of it.

    Raises:
        InputError: it can't be read, or is another file, such as a summary of `evaluate` or a plan.
    """
    content = read_json(path, "how a dose was made")
    if not isinstance(content, dict) or not _is_provenance(content) or not _names_a_dose(content):
        raise InputError(
            f"{path} does not say how a dose was predicted; give the prediction.json that predict left with the dose."
        )
    return content


def _names_a_dose(content: Mapping[str, Any]) -> bool:
    return "system" in content and not _OF_OTHERS & content.keys()


def _is_provenance(content: Mapping[str, Any]) -> bool:
    """Whether what a report reads of it has the kind that predict gives it."""
    warnings, review = content.get("warnings", []), content.get("review", [])
    channels, unusual = content.get("channels", []), content.get("unusual_percent")
    return (
        isinstance(warnings, list)
        and isinstance(review, list)
        and isinstance(channels, list)
        and (unusual is None or isinstance(unusual, (int, float)))
        and all(isinstance(entry, dict) and {"id", "text"} <= entry.keys() for entry in review)
        and all(isinstance(entry.get("evidence") or {}, dict) for entry in review)
    )
