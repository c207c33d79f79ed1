"""Reading NRRD, NIfTI and MetaImage files, with a message that names the file when one is broken."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.image_library import read_by_library
from DosePredictionLib.patient.readable import check_opens
from DosePredictionLib.patient.volume import Volume

if TYPE_CHECKING:
    import SimpleITK

#: Longest first, so that ".seg.nrrd" and ".nii.gz" are taken off whole.
IMAGE_SUFFIXES = (".seg.nrrd", ".nii.gz", ".nrrd", ".nii", ".mha")


def image_suffix(path: Path) -> str | None:
    """The suffix when this is the name of an image file, else None."""
    return next((suffix for suffix in IMAGE_SUFFIXES if path.name.lower().endswith(suffix)), None)


def image_stem(path: Path) -> str:
    """The file's name without the image suffix: "Parotid_L" of "Parotid_L.nii.gz"."""
    return path.name[: -len(image_suffix(path) or "")] if image_suffix(path) else path.stem


def read_image(path: Path) -> SimpleITK.Image:
    """Read an image file of three dimensions, with several values a voxel or not (or four dimensions, for layers).

    Raises:
        InputError: the file is missing, may not be read, is truncated, damaged or no image.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the name.")
    check_opens(path)
    _check_whole(path)
    try:
        return read_by_library(path)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].split("] ")[-1]
        raise InputError(
            f"{path} cannot be read, it is truncated or damaged ({reason}); copy or export it again."
        ) from error


def read_scalar_volume(path: Path) -> Volume:
    """Read a CT, a dose or a mask: one value a voxel, three dimensions.

    Raises:
        InputError: the file is broken or holds something else.
    """
    image = read_image(path)
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            f"{path} holds {image.GetNumberOfComponentsPerPixel()} values a voxel where one is expected; "
            "export a grey-value volume."
        )
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3:
        raise InputError(f"{path} has {image.GetDimension()} dimensions instead of three; export a single 3D volume.")
    volume = Volume.of_image(image)
    if min(volume.geometry.spacing_mm) <= 0 or abs(np.linalg.det(volume.geometry.index_to_lps[:3, :3])) < 1e-9:
        raise InputError(f"{path} has no usable voxel spacing or directions; export it again with its geometry.")
    return volume


def _check_whole(path: Path) -> None:
    """Find the damage that the image library lets pass: it fills what is missing of a NIfTI file with noise.

    Raises:
        InputError: the file is truncated or damaged.
    """
    name = path.name.lower()
    try:
        if name.endswith(".nii.gz"):
            with gzip.open(path, "rb") as stream:
                header, size = stream.read(352), 0
                size = len(header)
                while block := stream.read(1 << 22):
                    size += len(block)
            whole = size >= _nifti_size(header)
        elif name.endswith(".nii"):
            with path.open("rb") as stream:
                whole = path.stat().st_size >= _nifti_size(stream.read(352))
        elif name.endswith(".mha"):
            whole = _metaimage_is_whole(path.read_bytes())
        else:
            return
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(
            f"{path} cannot be read, it is truncated or damaged ({error}); copy or export it again."
        ) from error
    if not whole:
        raise InputError(f"{path} is shorter than its header says, it is truncated; copy or export it again.")


def _nifti_size(header: bytes) -> int:
    """Bytes that a NIfTI-1 file with this header has at least."""
    order = "<" if struct.unpack("<i", header[:4])[0] == 348 else ">"
    if struct.unpack(order + "i", header[:4])[0] != 348:
        return 0  # NIfTI-2 or no NIfTI at all: left to the image library
    dimensions = struct.unpack(order + "8h", header[40:56])
    bits = struct.unpack(order + "h", header[72:74])[0]
    offset = struct.unpack(order + "f", header[108:112])[0]
    voxels = int(np.prod([max(int(n), 1) for n in dimensions[1 : dimensions[0] + 1]], dtype=np.int64))
    return int(offset) + voxels * bits // 8


def _metaimage_is_whole(content: bytes) -> bool:
    """Whether the compressed voxels of a MetaImage can be taken out; plain ones are left to the image library."""
    header, mark, rest = content.partition(b"ElementDataFile")
    if not mark or b"CompressedData = True" not in header:
        return True
    zlib.decompress(rest[rest.index(b"\n") + 1 :])
    return True
