"""An array together with the grid it lies on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.patient.geometry import Geometry, index3
from DosePredictionLib.patient.image_library import write_by_library
from DosePredictionLib.patient.voxel_box import occupied_box

if TYPE_CHECKING:
    import SimpleITK


@dataclass(frozen=True)
class Volume:
    """A scalar volume: CT in HU, dose in Gy, or a mask of zeros and ones.

    Attributes:
        array: (z, y, x), C order.
        geometry: the grid; ``geometry.shape == array.shape``.
    """

    array: np.ndarray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise ValueError(f"array {self.array.shape} does not lie on a grid of {self.geometry.shape}")

    @classmethod
    def of_image(cls, image: SimpleITK.Image) -> Volume:
        """The volume held by a 3D SimpleITK image."""
        import SimpleITK as sitk

        return cls(sitk.GetArrayFromImage(image), Geometry.of_image(image))

    def to_image(self) -> SimpleITK.Image:
        """A SimpleITK image with the same voxels and grid; booleans become uint8."""
        import SimpleITK as sitk

        array = self.array.astype(np.uint8) if self.array.dtype == bool else self.array
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.geometry.spacing_mm)
        image.SetOrigin(self.geometry.origin_mm)
        image.SetDirection(self.geometry.direction)
        return image

    def cropped_to_nonzero(self) -> Volume:
        """The part that holds all non-zero voxels, on its own smaller grid; an empty volume stays as it is."""
        box = occupied_box(self.array)
        if box is None:
            return self
        array = np.ascontiguousarray(self.array[box])
        return Volume(array, self.geometry.cropped(index3(part.start for part in box), index3(array.shape)))

    def on_grid(self, geometry: Geometry, *, outside: float = 0.0, nearest: bool = False) -> Volume:
        """This volume resampled onto another grid, linearly or by nearest neighbour.

        Args:
            geometry: the wanted grid; when it already is this volume's own, the volume itself comes back.
            outside: value where the wanted grid reaches beyond this volume.
            nearest: take the nearest voxel instead of interpolating (for labels).
        """
        if geometry.is_close(self.geometry):
            return self
        import SimpleITK as sitk

        array = self.array if nearest else self.array.astype(np.float32)
        image = Volume(array, self.geometry).to_image()
        size = tuple(reversed(geometry.shape))
        interpolator = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
        resampled = sitk.Resample(
            image, size, sitk.Transform(), interpolator, geometry.origin_mm, geometry.spacing_mm, geometry.direction,
            outside, image.GetPixelID(),
        )  # fmt: skip
        result = sitk.GetArrayFromImage(resampled)
        return Volume(result.astype(bool) if self.array.dtype == bool and nearest else result, geometry)

    def write(self, path: str | Path) -> None:
        """Write as NRRD or NIfTI, told by the suffix.

        The file appears whole or not at all: it is written under a temporary name beside ``path`` and moved.

        Raises:
            InputError: the folder cannot be written to.
        """
        write_by_library(self.to_image(), path)
