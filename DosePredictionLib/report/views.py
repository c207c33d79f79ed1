"""Which slices a report shows, and rows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from DosePredictionLib.patient.geometry import Vector3, vector3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.voxel_box import box_corners, occupied_box
from DosePredictionLib.report.isodose_scale import IsodoseScale
from DosePredictionLib.report.markup import number
from DosePredictionLib.report.plane import Orientation, Plane
from DosePredictionLib.report.structure_colours import Colour
from DosePredictionLib.report.view_picture import Wash, view_svg

#: How much is shown around targets and dose.
MARGIN_MM = 15.0
SMALLEST_SIDE_MM, LARGEST_SIDE_MM = 140, 420
#: How much of the wash of dose is seen against the CT.
DOSE_OPACITY = 0.5
#: Blue where the evaluated dose is lower, red where it is higher.
_DIFFERENCE_COLOURS = (
    (0.00, 0.10, 0.85),
    (0.10, 0.60, 1.00),
    (0.50, 0.50, 0.50),
    (1.00, 0.60, 0.05),
    (0.90, 0.00, 0.05),
)
_DIFFERENCE_OPACITIES = (0.80, 0.65, 0.00, 0.65, 0.80)
_STD_COLOURS = ((0.30, 0.05, 0.55), (0.60, 0.10, 0.60), (0.95, 0.30, 0.30), (1.00, 0.75, 0.15), (1.00, 1.00, 0.60))
_STD_OPACITIES = (0.00, 0.60, 0.70, 0.75, 0.80)


def central_point(patient: Patient) -> tuple[str, Vector3]:
    """The isocentre where the plan has one, else the targets' centroid, else the middle of the grid; with its name."""
    if patient.beams is not None and patient.beams.isocentre_mm is not None:
        return "isocentre", patient.beams.isocentre_mm
    points = [
        target.mask.geometry.lps_of_index(np.argwhere(target.mask.array)) for target in patient.targets
        if target.mask.array.any()
    ]  # fmt: skip
    if points:
        return "centre of the targets", vector3(np.concatenate(points).mean(axis=0))
    middle = (np.asarray(patient.geometry.shape, dtype=float) - 1.0) / 2.0
    return "middle of the image", vector3(patient.geometry.lps_of_index(middle))


def hottest_point(dose: Volume) -> tuple[float, Vector3]:
    """The highest dose in Gy and where its voxel is."""
    index = np.unravel_index(int(dose.array.argmax()), dose.array.shape)
    return float(dose.array[index]), vector3(dose.geometry.lps_of_index(np.array(index, dtype=float)))


def planes_through(point_mm: Vector3, patient: Patient, dose: Volume, lowest_gy: float) -> list[Plane]:
    """Axial, coronal and sagittal plane, all of one scale and height, around the targets and the dose."""
    corners = [np.asarray(point_mm)[None]]
    boxes = [(dose.geometry, occupied_box(dose.array >= lowest_gy))]
    boxes += [(target.mask.geometry, occupied_box(target.mask.array)) for target in patient.targets]
    for geometry, box in boxes:
        if box is not None:
            corners.append(geometry.lps_of_index(box_corners(box)))
    points = np.concatenate(corners)
    low, high = points.min(axis=0) - MARGIN_MM, points.max(axis=0) + MARGIN_MM
    x, y, z = (int(side) for side in np.clip(np.ceil(high - low), SMALLEST_SIDE_MM, LARGEST_SIDE_MM))
    centre, height = vector3((low + high) / 2.0), max(y, z)
    widths = {Orientation.AXIAL: x, Orientation.CORONAL: x, Orientation.SAGITTAL: y}
    return [Plane(orientation, point_mm, centre, width, height) for orientation, width in widths.items()]


def dose_wash(dose: Volume, scale: IsodoseScale) -> Wash:
    """Dose in the colours of the isodose levels, clear below the first."""
    # So many that every one of the usual levels is among them.
    gradient = scale.gradient(201)
    return Wash(dose, gradient[:, 0], gradient[:, 1:], np.full(len(gradient), DOSE_OPACITY), scale.first_gy)


def difference_wash(difference: Volume, limit_gy: float) -> Wash:
    """Differences from blue to red, the clearer the smaller."""
    values = np.linspace(-limit_gy, limit_gy, len(_DIFFERENCE_COLOURS))
    return Wash(difference, values, np.asarray(_DIFFERENCE_COLOURS), np.asarray(_DIFFERENCE_OPACITIES))


def std_wash(std: Volume, limit_gy: float) -> Wash:
    """Standard deviation from dark to bright, clear at zero."""
    values = np.linspace(0.0, limit_gy, len(_STD_COLOURS))
    return Wash(std, values, np.asarray(_STD_COLOURS), np.asarray(_STD_OPACITIES))


def row_of_views(
    patient: Patient,
    planes: Sequence[Plane],
    wash: Wash | None,
    structures: Sequence[Structure],
    colours: Mapping[str, Colour],
    what: str,
) -> str:
    """Views side by side, each with its caption."""
    figures = []
    for plane in planes:
        axis = {Orientation.SAGITTAL: 0, Orientation.CORONAL: 1, Orientation.AXIAL: 2}[plane.orientation]
        position = f"{'xyz'[axis]} = {number(plane.point_mm[axis])} mm"
        picture = view_svg(
            patient, plane, wash, structures, colours, f"{what}, {plane.orientation.value.lower()} slice at {position}"
        )
        figures.append(
            f"<figure>{picture}<figcaption><b>{plane.orientation.value}</b> {position}</figcaption></figure>"
        )
    columns = " ".join(f"{plane.width_mm}fr" for plane in planes)
    return f'<div class="views" style="grid-template-columns:{columns}">{"".join(figures)}</div>'
