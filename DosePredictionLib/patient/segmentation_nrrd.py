"""Slicer's segmentation files (``.seg.nrrd``): labels of several segments, in layers where they overlap.

There is one number a voxel, or one for each layer (first axis of the NRRD file). The header holds for each segment its
name, colour, layer and the number that stands for it in that layer (keys ``Segment0_Name``, ``Segment0_LabelValue``,
``Segment0_Layer``, ...; Slicer's vtkMRMLSegmentationStorageNode).
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.patient.image_file import read_image
from DosePredictionLib.patient.image_library import write_by_library
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

Color = tuple[float, float, float]
#: Grids whose voxels are nearer than this to each other are taken for the same.
_SAME_VOXEL_MM = 1e-2


@dataclass(frozen=True)
class Segment:
    """One segment: its name, its mask (uint8, on the part of the file's grid that holds it) and its colour."""

    name: str
    mask: Volume
    color: Color | None


def read_segmentation(path: Path) -> tuple[Geometry, list[Segment]]:
    """Read the file's grid and all segments, cropped to where they are; an empty one comes as a single voxel of zero.

    Raises:
        InputError: the file is broken or of a kind that can't be placed.
    """
    file = _read_layers(path)
    layers, geometry = file.layers, file.geometry
    named = _segment_headers(file.header)
    if not named:  # a plain label map under this name: number the labels, as Slicer does
        named = [
            {"Name": f"Segment_{label}", "LabelValue": str(label), "Layer": str(layer)}
            for layer, array in enumerate(layers) for label in np.unique(array) if label > 0
        ]  # fmt: skip
    boxes = [ndimage.find_objects(np.ascontiguousarray(array)) for array in layers]
    segments = []
    for number, fields in enumerate(named):
        # Files from before Slicer shared label maps have a layer for each segment and no numbers.
        try:
            layer, label = int(fields.get("Layer", number)), int(fields.get("LabelValue", 1))
        except ValueError:
            raise InputError(
                f"{path} is damaged: the layer or the label of segment {fields.get('Name', number)!r} is no number; "
                "save it again."
            ) from None
        if not 0 <= layer < len(layers) or label < 1:
            raise InputError(
                f"{path} is damaged: segment {fields.get('Name', number)!r} should be label {label} of layer {layer}, "
                f"but the file has {len(layers)} layers; save it again."
            )
        box = boxes[layer][label - 1] if label <= len(boxes[layer]) else None
        if box is None:
            mask = Volume(np.zeros((1, 1, 1), np.uint8), geometry.cropped((0, 0, 0), (1, 1, 1)))
        else:
            array = np.ascontiguousarray(layers[layer][box] == label).astype(np.uint8)
            z, y, x = (int(part.start) for part in box)
            mask = Volume(array, geometry.cropped((z, y, x), array.shape))  # type: ignore[arg-type]
        segments.append(
            Segment(fields.get("Name") or fields.get("ID") or f"Segment_{number + 1}", mask, _color(fields))
        )
    return geometry, segments


def write_segmentation(segments: Sequence[Segment], geometry: Geometry, path: str | Path) -> None:
    """Write segments that lie on voxels of one grid, each in the first layer where it overlaps none.

    Args:
        segments: their masks' grids must be parts of ``geometry``.
        geometry: the grid of the file.
        path: file name that ends with ``.seg.nrrd``.

    Raises:
        InputError: the file can't be written.
        ValueError: a segment's grid isn't a part of it, or there are no segments.
    """
    import SimpleITK as sitk

    if not segments:
        raise ValueError("there are no segments to write")
    layers: list[np.ndarray] = []
    placed: list[tuple[int, int, str]] = []
    dtype = np.uint8 if len(segments) < 256 else np.uint16
    for segment in segments:
        start = start_within(geometry, segment.mask.geometry)
        if start is None:
            raise ValueError(f"the grid of {segment.name} is not a part of this grid")
        inside = tuple(slice(a, a + n) for a, n in zip(start, segment.mask.array.shape, strict=True))
        mask = segment.mask.array != 0
        extent = "0 -1 0 -1 0 -1"
        if mask.any():
            extent = " ".join(f"{part.start} {part.stop - 1}" for part in reversed(inside))
        layer = next((n for n, array in enumerate(layers) if not array[inside][mask].any()), len(layers))
        if layer == len(layers):
            layers.append(np.zeros(geometry.shape, dtype))
        label = sum(other == layer for other, _, _ in placed) + 1
        layers[layer][inside][mask] = label
        placed.append((layer, label, extent))

    voxels = np.stack(layers, axis=-1) if len(layers) > 1 else layers[0]
    image = sitk.GetImageFromArray(voxels, isVector=len(layers) > 1)
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction)
    for number, (segment, (layer, label, extent)) in enumerate(zip(segments, placed, strict=True)):
        color = segment.color or _spare_color(number)
        fields = {
            "ID": f"Segment_{number + 1}", "Name": segment.name, "NameAutoGenerated": "0",
            "Color": " ".join(f"{value:g}" for value in color), "ColorAutoGenerated": "0" if segment.color else "1",
            "LabelValue": str(label), "Layer": str(layer), "Extent": extent, "Tags": "|",
        }  # fmt: skip
        for key, value in fields.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    # Slicer still writes and expects the old key "Master" for what it now calls source representation.
    image.SetMetaData("Segmentation_MasterRepresentation", "Binary labelmap")
    image.SetMetaData("Segmentation_ContainedRepresentationNames", "Binary labelmap|")
    image.SetMetaData("Segmentation_ReferenceImageExtentOffset", "0 0 0")
    write_by_library(image, path)


def start_within(geometry: Geometry, part: Geometry, anywhere: bool = False) -> tuple[int, int, int] | None:
    """Index (z, y, x) of the voxel of ``geometry`` on which the first voxel of ``part`` lies.

    Args:
        geometry: a grid.
        part: another one.
        anywhere: accept grids with the same voxels that reach beyond ``geometry`` too (the index may then be negative).

    Returns:
        None when the voxels don't coincide, or when ``part`` reaches beyond ``geometry`` and may not.
    """
    start = geometry.start_of(part, _SAME_VOXEL_MM)
    if start is None or anywhere:
        return start
    inside = all(0 <= a and a + n <= total for a, n, total in zip(start, part.shape, geometry.shape, strict=True))
    return start if inside else None


@dataclass(frozen=True)
class _Layers:
    """What a file holds.

    Attributes:
        layers: integers (z, y, x), not copied: all of them together are many times as large as the masks.
        geometry: their grid.
        header: the file's own keys.
        image: whose memory the layers are; it must last as long as they do.
    """

    layers: list[np.ndarray]
    geometry: Geometry
    header: dict[str, str]
    image: SimpleITK.Image


def _read_layers(path: Path) -> _Layers:
    import SimpleITK as sitk

    image = read_image(path)
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    array = sitk.GetArrayViewFromImage(image)
    if array.dtype.kind not in "iu":
        if not np.array_equal(array, np.rint(array)):
            raise InputError(f"{path} holds fractions instead of labels; save the segmentation as a binary label map.")
        array = np.rint(array).astype(np.int32)
    if image.GetDimension() == 4:  # Slicer before 4.11: segments along a fourth axis
        extent = header.get("Segmentation_Extent", "0").split()
        if any(start != "0" for start in extent[::2]):
            raise InputError(f"{path} was saved by an old version of Slicer; open it in Slicer and save it again.")
        x, y, z, _ = image.GetSize()
        axes = np.asarray(image.GetDirection()).reshape(4, 4)[:3, :3]
        geometry = Geometry((z, y, x), image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(axes.ravel().tolist()))
        return _Layers(list(array), geometry, header, image)
    layers = [array] if array.ndim == 3 else [array[..., layer] for layer in range(array.shape[-1])]
    return _Layers(layers, Geometry.of_image(image), header, image)


def _segment_headers(header: dict[str, str]) -> list[dict[str, str]]:
    """The fields of each segment, by number."""
    segments: list[dict[str, str]] = []
    while True:
        prefix = f"Segment{len(segments)}_"
        fields = {key[len(prefix) :]: value for key, value in header.items() if key.startswith(prefix)}
        if not fields:
            return segments
        segments.append(fields)


def _color(fields: dict[str, str]) -> Color | None:
    try:
        red, green, blue = (min(max(float(value), 0.0), 1.0) for value in fields["Color"].split())
    except (KeyError, ValueError):
        return None
    return red, green, blue


def _spare_color(number: int) -> Color:
    """Well parted hues for segments without a colour."""
    red, green, blue = colorsys.hsv_to_rgb((0.07 + 0.618034 * number) % 1.0, 0.65, 0.9)
    return round(red, 3), round(green, 3), round(blue, 3)
