"""Writing pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from DosePredictionLib.whole_file import whole_file


def write_png(picture: np.ndarray, path: str | Path) -> None:
    """Write (height, width, 3) uint8, first row at the top; the file appears whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    height, width, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(width, height, 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(picture[::-1]).reshape(-1, 3), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.SetInputData(image)
    writer.WriteToMemoryOn()  # VTK opens no path that is no UTF-8
    writer.Write()
    with whole_file(path) as temporary:
        temporary.write_bytes(vtk_to_numpy(writer.GetResult()).tobytes())
