"""What a person should know of a set of weights before using them."""

from __future__ import annotations

from DosePredictionLib.conditioning.grid import COARSEST_SPACING_MM, FINEST_SPACING_MM
from DosePredictionLib.inference.patients_seen import DIGESTS, PATIENTS_TRAINED_ON
from DosePredictionLib.inference.weights_header import WeightsHeader

_OPENKBP_USE = """Predicts the dose of a head-and-neck IMRT plan (simultaneous integrated boost, up to three target \
levels, nine coplanar
6 MV fields) from a CT and contours, for research in planning and plan quality. It has seen no other site, technique or
fractionation; there its doses mean nothing."""
_OTHER_USE = """Predicts the dose of plans like those it was trained on (see Training) from a CT and contours, for \
research in planning
and plan quality. For any other site, technique or fractionation its doses mean nothing."""
_OPENKBP_LIMIT = "- The reference plans are OpenKBP's synthetic ones, not plans that were delivered.\n"
#: Systems whose networks get no scalars of the patient.
_NOT_TOLD_VOXEL_SIZE = ("baseline", "diffkt3d")


def model_card(header: WeightsHeader) -> str:
    """The model card as Markdown, from the header of a weights file."""
    training, validation = header.training, header.validation
    of_openkbp = "openkbp" in str(training.get("data", "")).lower()
    criteria = validation.get("criteria_gy", {})
    assert isinstance(criteria, dict)
    rows = "\n".join(f"| {name} | {value:.2f} |" for name, value in criteria.items())
    channels = header.config.get("channels", ())
    assert isinstance(channels, (list, tuple))
    described = validation.get("hardest", [])
    assert isinstance(described, list)
    hardest = "\n".join(f"- {one}" for one in described) or "- not recorded"
    trained = (
        f"{training.get('steps', '?')} steps of batch {training.get('batch', '?')}, {training.get('hours', '?')} hours "
        f"on {training.get('hardware', '?')}, optimiser {training.get('optimiser', 'adamw')}, "
        f"seed {training.get('seed', '?')}"
    )
    validated = (
        f"{validation.get('patients', '?')} patients ({validation.get('dataset', '?')}){seen_in_training(header)}.\n"
        f"Samples a patient: {validation.get('samples', '?')}, denoising steps a sample: "
        f"{validation.get('steps', '?')}, seed {validation.get('seed', '?')}."
    )
    return f"""# Model card: {header.system}

**Research use, not for clinical decisions.**

## Intended use
{_OPENKBP_USE if of_openkbp else _OTHER_USE}

## Training
- Data: {training.get("data", "")}
- {trained}
- Source: commit {header.commit or "unknown"}{went_on_from(header)}{_companions(header)}{_placed(header)}
- Channels: {", ".join(str(name) for name in channels)}

## Validation
{validated}

| score (OpenKBP, lower is better) | Gy |
| --- | --- |
| dose score | {validation.get("dose_score_gy", float("nan")):.3f} |
| DVH score | {validation.get("dvh_score_gy", float("nan")):.3f} |
| DVH score, organs | {validation.get("dvh_score_organs_gy", float("nan")):.3f} |
| DVH score, targets | {validation.get("dvh_score_targets_gy", float("nan")):.3f} |

Mean absolute difference by criterion:

| criterion | Gy |
| --- | --- |
{rows}

Where it fails (the patients with the highest dose scores):

{hardest}

## Limits
{_OPENKBP_LIMIT if of_openkbp else ""}- {_uncertainty(header)}
- Without a CT or without beam angles it predicts too; what that costs was measured of the default system only
  (`Testing/Benchmarks`).
{voxel_size_limit(header)}"""


def seen_in_training(header: WeightsHeader) -> str:
    """Words that follow the validation patients: whether the weights were trained on them, or that it isn't known."""
    validation, training = header.validation, header.training
    trained_on = validation.get(PATIENTS_TRAINED_ON)
    if trained_on is None:
        # Weights from before patients were counted: OpenKBP's own validation set is none of its training set's.
        of_openkbp = "openkbp training set" in str(training.get("data", "")).lower()
        if not of_openkbp or validation.get("dataset") != "validation" or training.get(DIGESTS):
            return "; whether it was trained on any of them is not known"
    return f", {trained_on} of whom it was trained on" if trained_on else " that were not trained on"


def went_on_from(header: WeightsHeader) -> str:
    """A line on the weights, or the backbone, that the training started from, if it did."""
    origin = header.training.get("from_weights")
    if not isinstance(origin, dict):
        return ""
    if "folder" in origin:
        return f"\n- It went on from the published backbone in `{origin['folder']}`"
    checksum = f" (SHA-256 {origin['sha256']})" if "sha256" in origin else ""
    return (
        f"\n- It went on from the weights `{origin.get('file', '?')}`{checksum}; what these were trained on counts, too"
    )


def _companions(header: WeightsHeader) -> str:
    """A line on the other members of the ensemble, if there are any."""
    if not header.companions:
        return ""
    return f"\n- Every other sample is drawn by {' and '.join(one['name'] for one in header.companions)}"


def _placed(header: WeightsHeader) -> str:
    """A line on where samples lie, if not in the middle."""
    if not header.config.get("placed"):
        return ""
    return "\n- Each sample lies at a place of its own within the network's grid"


def voxel_size_limit(header: WeightsHeader) -> str:
    """A line for systems that aren't told the size of the voxels."""
    if header.system not in _NOT_TOLD_VOXEL_SIZE:
        return ""
    (x, _, z), (most_x, _, most_z) = FINEST_SPACING_MM, COARSEST_SPACING_MM
    return (
        f"- It isn't told the size of the voxels ({x} to {most_x} mm in the plane, {z} to {most_z} mm along the "
        "patient); of millimetres\n  it knows by the distances to the targets and the beams' widths alone.\n"
    )


def _uncertainty(header: WeightsHeader) -> str:
    """One sentence on the standard deviation."""
    covered = header.validation.get("coverage")
    if not header.uncertainty or not isinstance(covered, dict):
        return "The standard deviation over samples has not been calibrated against the error."
    return (
        "The standard deviation was calibrated on the validation patients. On patients left out of it, the stated "
        f"68 % interval held the clinical dose of {covered['voxel_68']} % of the voxels and {covered['dvh_68']} % of "
        f"the scored DVH points, the 95 % interval {covered['voxel_95']} % and {covered['dvh_95']} %. It says nothing "
        "of patients of another kind."
    )
