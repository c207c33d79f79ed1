"""Colours for structures whose data hold none: an organ always has the same, and all show on black and on white.

A colour that the data give to more than a pair of structures tells none of them apart (contouring software that knows
one colour only writes it for all), so they count as having none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from DosePredictionLib.patient.structure import Structure, StructureRole

Colour = tuple[float, float, float]

#: Highest prescription first.
TARGETS: tuple[Colour, ...] = ((0.90, 0.10, 0.20), (0.95, 0.45, 0.00), (0.80, 0.60, 0.00), (0.65, 0.25, 0.05))
EXTERNAL: Colour = (0.55, 0.65, 0.60)
NOT_A_STRUCTURE: Colour = (0.50, 0.50, 0.50)
#: By TG-263 name without side.
ORGANS: dict[str, Colour] = {
    "Brainstem": (0.00, 0.55, 0.25),
    "SpinalCord": (0.00, 0.45, 0.95),
    "Parotid": (0.75, 0.10, 0.85),
    "Esophagus": (0.55, 0.35, 0.15),
    "Larynx": (0.00, 0.65, 0.70),
    "Mandible": (0.45, 0.55, 0.00),
    "Bone_Mandible": (0.45, 0.55, 0.00),
}
#: The right one of a pair.
RIGHT_SIDE: dict[str, Colour] = {"Parotid": (0.40, 0.20, 0.85)}
OTHERS: tuple[Colour, ...] = (
    (0.95, 0.40, 0.65), (0.20, 0.70, 0.45), (0.55, 0.50, 0.85), (0.75, 0.55, 0.40), (0.30, 0.60, 0.85),
    (0.65, 0.65, 0.20), (0.85, 0.35, 0.30), (0.40, 0.45, 0.50),
)  # fmt: skip


def structure_colours(structures: Iterable[Structure]) -> dict[str, Colour]:
    """A colour for each structure, by name: its own where it has one that at most a pair shares."""
    structures = list(structures)
    times = Counter(structure.color for structure in structures)
    targets = [structure for structure in structures if structure.role is StructureRole.TARGET]
    targets.sort(key=lambda target: -(target.prescription_gy or 0.0))
    colours: dict[str, Colour] = {}
    others = 0
    for structure in structures:
        own = structure.color if times[structure.color] <= 2 else None
        colour = own or _usual_colour(structure, targets)
        if colour is None:
            colour, others = OTHERS[others % len(OTHERS)], others + 1
        colours[structure.name] = colour
    return colours


def _usual_colour(structure: Structure, targets: list[Structure]) -> Colour | None:
    if structure.role is StructureRole.TARGET:
        return TARGETS[targets.index(structure) % len(TARGETS)] if structure in targets else None
    if structure.role is StructureRole.EXTERNAL:
        return EXTERNAL
    if structure.role in (StructureRole.DOSE_REGION, StructureRole.IGNORED):
        return NOT_A_STRUCTURE
    name = structure.standard_name or structure.name
    organ = name[:-2] if name.endswith(("_L", "_R")) else name
    return (RIGHT_SIDE.get(organ) if name.endswith("_R") else None) or ORGANS.get(organ)
