"""Several cases at once, each with an identifier of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.identifier import joined_name, patient_identifier
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.reading import find_cases, is_read_as_dicom, read_patient


@dataclass(frozen=True)
class Case:
    """A case that has not been read yet.

    Attributes:
        path: what `read_patient` reads.
        identifier: the patient's, among the other cases; results are named by it.
    """

    path: Path
    identifier: str

    def read(self) -> Patient:
        """The patient.

        Raises:
            InputError: see `read_patient`.
        """
        return replace(read_patient(self.path), identifier=self.identifier)

    @property
    def is_dicom(self) -> bool:
        """Whether the patient is read from DICOM, so that DICOM objects can be written for it.

        Of what can't be read nothing speaks against it; reading it says why.
        """
        try:
            return is_read_as_dicom(self.path)
        except InputError:
            return True


def named_cases(given: Iterable[str | Path]) -> list[Case]:
    """All cases of some paths, each of which is one or a folder of several (`find_cases`).

    An identifier is the name that `read_patient` gives. Where cases share one (``patient1/DICOM`` and
    ``patient2/DICOM``), it is made of all folders that tell them apart: ``patient1_DICOM``. A case that was given twice
    counts once.

    Raises:
        InputError: there is no case, or two can't be told apart by their names.
    """
    paths = list({case.resolve(): case for path in given for case in find_cases(path)}.values())
    names = [patient_identifier(path) for path in paths]
    # Folders that differ in upper and lower case alone are the same on some systems.
    shared = Counter(name.casefold() for name in names)
    whole = [
        _whole_name(path, [other for other, its in zip(paths, names, strict=True) if its.casefold() == name.casefold()])
        if shared[name.casefold()] > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]  # fmt: skip
    taken: dict[str, Path] = {}
    for path, name in zip(paths, whole, strict=True):
        if name.casefold() in taken:
            raise InputError(
                f"{taken[name.casefold()]} and {path} would both be called {name}, so that the results of one would "
                "overwrite the other's; rename one of them."
            )
        taken[name.casefold()] = path
    return [Case(path, name) for path, name in zip(paths, whole, strict=True)]


def _whole_name(path: Path, others: list[Path]) -> str:
    """A path from the folder on that holds all cases of the same name, with underscores."""
    own = Path(os.path.abspath(path))
    bare = own if own.is_dir() else own.with_suffix("")
    try:
        above = os.path.commonpath([os.path.dirname(os.path.abspath(other)) for other in others])
    except ValueError:  # on several of Windows' drives or shares, whose names tell them apart
        return joined_name(bare)
    return joined_name(bare.relative_to(above)) or patient_identifier(path)
