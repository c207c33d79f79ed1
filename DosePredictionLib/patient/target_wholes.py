"""Which PTVs of a patient are parts of another one: a name alone can't tell "PTV70 in the larynx" from "without it"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from DosePredictionLib.patient.name_match import NameMatch
from DosePredictionLib.patient.structure import StructureRole
from DosePredictionLib.patient.target_names import match_target_name
from DosePredictionLib.patient.target_parts import PartOfTarget, part_of_target

#: The standard name of a PTV that says no more than classifier and index, level or dose.
_BARE = re.compile(r"(?P<head>PTV[a-z]*\d*)(?:_(?P<level>High|Mid|Low))?(?:_\d+)?")


def without_parts(names: Sequence[str], matches: Sequence[NameMatch]) -> list[NameMatch]:
    """The matches, where a PTV that is a part of another one of the patient is OTHER.

    A part whose whole isn't there stays a target: better the same dose twice than a dose that no target has.
    """
    parts = [
        part_of_target(name) if match.role is StructureRole.TARGET else None
        for name, match in zip(names, matches, strict=True)
    ]
    wholes = [
        (name, match) for name, match, part in zip(names, matches, parts, strict=True)
        if part is None and match.role is StructureRole.TARGET and match.sure
    ]  # fmt: skip
    result = []
    for match, part in zip(matches, parts, strict=True):
        whole = next((name for name, other in wholes if part is not None and _is_whole(other, part)), None)
        result.append(match if part is None or whole is None else NameMatch(
            None, StructureRole.OTHER, None, 0.9,
            f"a PTV {part.reason}, beside {whole!r}: measured, not seen by the model, so make it a target only if the "
            "plan prescribes to it",
        ))  # fmt: skip
    return result


def _is_whole(target: NameMatch, part: PartOfTarget) -> bool:
    """Whether a target is what the other would be a part of."""
    wanted = match_target_name(part.whole)
    dose_gy = wanted.prescription_gy
    if dose_gy is not None and target.prescription_gy != dose_gy:
        return False
    if target.standard_name == wanted.standard_name:
        return True
    called, bare = (_BARE.fullmatch(match.standard_name or "") for match in (wanted, target))
    if called is None or called["head"] not in ("PTV", bare["head"] if bare else None):
        return False  # another site or number
    if dose_gy is None and called["level"] is not None:
        return bare is not None and bare["level"] == called["level"]
    return part.clear or (dose_gy is not None and bare is not None)
