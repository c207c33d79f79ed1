"""Pickles read without running anything: plain containers, numbers, text and numeric numpy arrays, nothing else.

A pickle is a program: unpickling calls whatever it names. Here the names that numpy writes for its arrays (``dtype``,
``ndarray``, ``_reconstruct``, ``_frombuffer``, ``scalar``) stand for small functions of this file, which check what
they are given and build arrays from bytes; every other name is refused. Not even numpy's own unpickling code is run,
which was not made for crafted input.
"""

from __future__ import annotations

import math
import pickle
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

#: Kinds and sizes of plain numbers; objects are allowed for the array that holds the whole.
_PLAIN_DTYPE = re.compile(r"(b1|[iu][1248]|f[248]|O8?)")
#: A file that unpacks to more than this is no patient.
LARGEST_BYTES = 8 << 30


class RefusedPickle(ValueError):
    """The pickle names something else than numpy arrays, or is damaged; the message says what."""


def load_object_array(path: Path, name: str = "arr_0") -> Any:
    """The object that ``numpy.savez`` pickled into a ``.npz`` file (an array without dimensions gives its one item).

    Raises:
        RefusedPickle: the file holds anything but plain containers and numeric arrays, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(f"{name}.npy")
            if entry.file_size > LARGEST_BYTES:
                raise RefusedPickle(f"it unpacks to {entry.file_size / 1e9:.0f} GB")
            with archive.open(entry) as stream:
                if _npy_dtype(stream) != np.dtype(object):
                    raise RefusedPickle(f"{name} is no dictionary")
                return unpickle(stream)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise RefusedPickle(f"it is truncated or damaged ({error})") from error


def holds_object_array(path: Path, name: str = "arr_0") -> bool:
    """Whether a ``.npz`` file holds an array of objects of this name; reads nothing but its header."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            return _npy_dtype(stream) == np.dtype(object)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        return False


def unpickle(stream: IO[bytes]) -> Any:
    """One pickled object, without running anything.

    Raises:
        RefusedPickle: as for `load_object_array`.
    """
    try:
        return _resolved(_Unpickler(stream).load())
    except RefusedPickle:
        raise
    except RecursionError:
        raise RefusedPickle("it is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - a crafted pickle can make the machinery fail in any way
        raise RefusedPickle(f"it is damaged ({error})") from error


def _npy_dtype(stream: IO[bytes]) -> np.dtype:
    """The element type that a ``.npy`` header tells; the stream is then at the data."""
    version = np.lib.format.read_magic(stream)  # type: ignore[no-untyped-call]
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise RefusedPickle(f"its array format {version} is not known")
    try:
        return readers[version](stream)[2]
    except ValueError as error:
        raise RefusedPickle(f"its array header is damaged ({error})") from error


class _Dtype:
    """Stands for ``numpy.dtype`` while unpickling."""

    def __init__(self, text: Any, *_: Any) -> None:
        if not isinstance(text, str) or not _PLAIN_DTYPE.fullmatch(text):
            raise RefusedPickle(f"it has an array of type {text!r}")
        self._text, self._order = text, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise RefusedPickle("it has an array type that is damaged")
        self._order = state[1]

    @property
    def is_object(self) -> bool:
        return self._text.startswith("O")

    def plain(self) -> np.dtype:
        if self.is_object:
            raise RefusedPickle("it has numbers of type object")
        return np.dtype(self._order + self._text)


class _Array:
    """Stands for a ``numpy.ndarray`` until its state is there."""

    value: Any = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise RefusedPickle("it has an array that is damaged")
        _, shape, dtype, fortran, data = state
        if not dtype.is_object:
            self.value = _array_of(data, dtype, shape, "F" if fortran else "C")
        elif isinstance(data, list) and math.prod(_checked_shape(shape)) == len(data):
            self.value = data[0] if shape == () else data
        else:
            raise RefusedPickle("it has an array of objects that is damaged")


class _ArrayType:
    """Stands for the class ``numpy.ndarray``, which is only named, never called."""

    def __new__(cls, *_: Any) -> _ArrayType:
        raise RefusedPickle("it calls numpy.ndarray")


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _ArrayType:
        raise RefusedPickle("it has an array of a foreign class")
    return _Array()


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> np.ndarray:
    return _array_of(data, dtype, shape, order)


def _scalar(dtype: Any, data: Any = None) -> Any:
    return _array_of(data, dtype, (), "C")[()]


def _array_of(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or not isinstance(data, (bytes, bytearray)) or order not in ("C", "F"):
        raise RefusedPickle("it has an array that is damaged")
    plain = dtype.plain()
    if math.prod(_checked_shape(shape)) * plain.itemsize != len(data):
        raise RefusedPickle("it has an array whose size does not fit its shape")
    return np.frombuffer(data, plain).reshape(shape, order=order)


def _checked_shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
        raise RefusedPickle("it has an array whose shape is damaged")
    return shape


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {("numpy", "dtype"): _Dtype, ("numpy", "ndarray"): _ArrayType}
for _core in ("numpy.core", "numpy._core"):  # numpy 2 renamed it; files of both exist
    _KNOWN[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _KNOWN[f"{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"{_core}.numeric", "_frombuffer"] = _frombuffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        known = _KNOWN.get((module_name, global_name))
        if known is None:
            raise RefusedPickle(f"it names {module_name}.{global_name}")
        return known

    def persistent_load(self, pid: Any) -> Any:
        raise RefusedPickle("it refers to objects outside itself")


def _resolved(value: Any) -> Any:
    """The object with arrays in the place of what stood for them."""
    if isinstance(value, _Array):
        return _resolved(value.value)
    if isinstance(value, dict):
        return {_resolved(key): _resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_resolved(item) for item in value)
    if isinstance(value, (_Dtype, type)) or callable(value):
        raise RefusedPickle("it holds something that is no data")
    return value
