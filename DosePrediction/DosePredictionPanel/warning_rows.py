"""What a prediction's provenance warns of, for people. No Qt."""

from __future__ import annotations

from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.named_dose import is_calibrated
from DosePredictionLib.inference.options import Provenance
from DosePredictionLib.review.review_warning import ReviewWarning


def warning_rows(provenance: Provenance | None) -> list[ReviewWarning]:
    """The warnings, those with reasons and figures first; each text once."""
    if provenance is None:
        return []
    reviewed = {warning.text: warning for warning in provenance.review}
    others = {text: ReviewWarning("", text, "") for text in provenance.warnings if text not in reviewed}
    return [*reviewed.values(), *others.values()]


def warning_tip(warning: ReviewWarning) -> str:
    """The whole of a warning: text, reason, figures."""
    figures = [
        f"{name}: {value:.8g}" if isinstance(value, int | float) else f"{name}: {value}"
        for name, value in warning.evidence.items()
    ]
    return "\n".join(part for part in (warning.text, warning.explanation, *figures) if part)


def uncertainty_note(provenance: Provenance | None) -> str:
    """What the uncertainty of a prediction is worth, in a sentence."""
    if provenance is None:
        return ""
    return _("Uncertainty: {worth}.").format(worth=provenance.uncertainty.rstrip("."))


def uncertainty_legend(provenance: Provenance | None) -> str:
    """What the values of an uncertainty's map are: the half-width of a 68 % interval where they are calibrated."""
    if provenance is not None and is_calibrated(provenance.uncertainty):
        return _("Uncertainty, 68 % [Gy]")
    return _("Standard deviation [Gy]")
