"""Render windows that need no screen."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from DosePredictionLib.errors import InputError
from DosePredictionScene.headless_application import quiet_vtk

#: VTK's render windows without a display, by the shared libraries that each can use.
LINUX_BACKENDS = {
    "vtkEGLRenderWindow": ("libEGL.so.1",),
    "vtkOSOpenGLRenderWindow": ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"),
}
BACKEND_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
ADVICE = "on Debian or Ubuntu run `apt-get install libegl1 libgl1-mesa-dri`."


def choose_backend() -> None:
    """Tell VTK which render window to use, before the first one is made.

    Left alone where the user has chosen, and outside Linux, where VTK's own choice draws without a screen.

    Raises:
        InputError: nothing to draw with is installed.
    """
    if not sys.platform.startswith("linux") or os.environ.get(BACKEND_VARIABLE):
        return
    for window, libraries in LINUX_BACKENDS.items():
        if _any_loads(libraries):
            os.environ[BACKEND_VARIABLE] = window
            return
    raise InputError(f"Pictures can't be drawn: neither EGL nor OSMesa is installed; {ADVICE}")


def offscreen_window(width: int, height: int, layers: int = 1, multisamples: int = 4) -> Any:
    """A vtkRenderWindow of ``width`` x ``height`` pixels that shows on no screen.

    Raises:
        InputError: it can't draw.
    """
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401  registers VTK's drawing classes

    choose_backend()
    with quiet_vtk():
        window = vtk.vtkRenderWindow()
    # Where EGL finds no driver VTK falls back to OSMesa, and drawing ends the process if that isn't there either.
    libraries = LINUX_BACKENDS.get(window.GetClassName())
    if libraries is not None and not _any_loads(libraries):
        raise InputError(f"Pictures can't be drawn: there is no OpenGL driver; {ADVICE}")
    window.SetOffScreenRendering(True)
    window.SetMultiSamples(multisamples)
    window.SetNumberOfLayers(layers)
    window.SetSize(width, height)
    return window


def require_drawing() -> None:
    """Find out before long work whether its pictures can be drawn after it.

    Raises:
        InputError: they can't.
    """
    offscreen_window(8, 8).Finalize()


def _any_loads(libraries: Iterable[str]) -> bool:
    for library in libraries:
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return True
    return False


def picture_of(window: Any) -> np.ndarray:
    """What a render window shows: (height, width, 3) uint8, first row at the top."""
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.SetInputBufferTypeToRGB()
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()
