"""Where ``predict`` writes: nothing of the user's is overwritten, and nothing of an earlier prediction stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from DosePredictionLib.errors import InputError
from DosePredictionLib.json_file import read_json
from DosePredictionLib.patient.cases import Case
from DosePredictionLib.patient.made_by_model import PREDICTION, holds_prediction, is_sampled_modality
from DosePredictionLib.patient.reader_dicom import holds_dicom_case
from DosePredictionLib.patient.reader_folder import is_patient_folder, patient_images
from DosePredictionLib.whole_file import check_replaceable, remove_file, whole_file

#: The format whose predictions leave PATIENT.csv, too.
OPENKBP = "openkbp"
DOSES = tuple(
    f"{name}{suffix}" for name in ("dose", "dose_std", "dose_uncalibrated") for suffix in (".nrrd", ".nii.gz")
) + ("dose.dcm",)
#: Tables in a prediction's folder, whoever the patient is.
RESULT_TABLES = ("dvh.csv", "goals.csv")
#: What a prediction leaves beside `PREDICTION`; an earlier one's would be taken for a part of the latest.
_RESULTS = (*DOSES, *RESULT_TABLES, "isodoses.dcm", "report.html", "scene.mrb", "views.png", "dvh.png")


def result_folders(cases: Sequence[Case], output: Path) -> list[Path]:
    """Where each case's results go: one of its own in ``output``, or that itself when there is but one case.

    Raises:
        InputError: the results would come to lie among a case's own files, whose ``dose.nrrd`` is the clinical dose,
            be it this case or another, or overwrite a dose that no prediction left.
    """
    folders = [output] if len(cases) == 1 else [output / case.identifier for case in cases]
    read_from = {case.path.resolve() for case in cases if case.path.is_dir() and not case.is_dicom}
    for folder in folders:
        if folder.resolve() in read_from:
            raise InputError(
                f"{folder} is the folder of a case itself, whose clinical dose.nrrd and other files the results would "
                "overwrite or be taken for; give another folder with -o."
            )
        if holds_prediction(folder):
            continue
        if _holds_a_patient(folder):
            raise InputError(
                f"{folder} holds a patient, whose own dose the results would be taken for; give another folder with -o."
            )
        strange = [folder / name for name in (*DOSES, PREDICTION) if (folder / name).exists()]
        if strange:
            raise InputError(
                f"{strange[0]} was left by no prediction (no {PREDICTION} of one is there) and would be overwritten; "
                "give another folder with -o, or take it away."
            )
    return folders


def check_earlier_predictions(folders: Iterable[Path]) -> None:
    """Fail before the work rather than after it where earlier predictions of doses can't be removed.

    Raises:
        InputError: another program has a file of one open.
    """
    for folder in filter(holds_prediction, folders):
        _check_closed(folder, *_tables_of(folder))


def check_modality_files(folders: Iterable[Path], modality: str) -> None:
    """Refuse to overwrite an image that ``predict --target`` did not leave, such as a planning CT.

    Raises:
        InputError: there is one, or another program has it open, or a CT would come to lie beside a DICOM case, whose
            own CT it is not.
    """
    for folder in folders:
        if modality == "ct" and folder.is_dir() and holds_dicom_case(folder):
            raise InputError(
                f"{folder} holds a DICOM case, whose CT it would be taken for; give another folder with -o."
            )
        image, made = folder / f"{modality}.nrrd", folder / f"{modality}.json"
        for path in (image, made):
            if path.exists() and not is_sampled_modality(image):
                raise InputError(
                    f"{path} was not left by predict --target (no {made.name} beside {image.name} says so) and would "
                    "be overwritten; give another folder with -o, or take it away."
                )
            check_replaceable(path)


def check_no_new_case(given: Iterable[Path], cases: Sequence[Case], folders: Iterable[Path]) -> None:
    """Refuse to put a sampled CT where a folder would be found as one more case, or as the only one.

    Args:
        given: what the user named as cases.
        cases: that were found there.
        folders: where the CTs would go.

    Raises:
        InputError: a CT would come to lie where the cases are looked for.
    """
    read = {case.path.resolve() for case in cases}
    datasets = {path.resolve() for path in given} - read
    above = {path.parent for path in read}
    beside = {case.path.resolve().parent / case.identifier for case in cases}
    for folder in (one.resolve() for one in folders):
        if folder in datasets | above | beside or folder.parent in datasets:
            raise InputError(
                f"A sampled CT in {folder} would be taken for a case among those that are read here; give another "
                "folder with -o."
            )


def _holds_a_patient(folder: Path) -> bool:
    """Whether a folder holds a patient's own images, not just what was sampled."""
    return is_patient_folder(folder) and not all(is_sampled_modality(image) for image in patient_images(folder))


def check_openkbp_tables(cases: Sequence[Case], folders: Sequence[Path], output: Path) -> None:
    """Refuse to overwrite a PATIENT.csv that no prediction left, which may be another model's, or a prediction's table.

    Raises:
        InputError: there is one, or another program has one open, or a single case is called as a table beside its own
            (`RESULT_TABLES`).
    """
    for case, folder in zip(cases, folders, strict=True):
        table = output / f"{case.identifier}.csv"
        if folder == output and table.name.casefold() in RESULT_TABLES:
            raise InputError(
                f"The case {case.identifier} would give its table the name of another one, {table.name.casefold()}, in "
                f"{output}; rename the case, or choose another format."
            )
        if table.exists() and not _wrote_a_table(folder):
            raise InputError(
                f"{table} was left by no prediction and would be overwritten; give another folder with -o, or take it "
                "away."
            )
        check_replaceable(table)


def _wrote_a_table(folder: Path) -> bool:
    """Whether the prediction in a folder came with a table in the challenge's layout."""
    return _made(folder).get("format") == OPENKBP


def _made(folder: Path) -> dict[str, Any]:
    """What prediction.json tells; nothing where it can't be read."""
    try:
        made = read_json(folder / PREDICTION, "how a dose was made")
    except InputError:
        return {}
    return made if isinstance(made, dict) else {}


def _tables_of(folder: Path) -> list[Path]:
    """Where the table of a folder's prediction is, if it came with one: within, or beside it after several cases."""
    if not _wrote_a_table(folder):
        return []
    within = folder / Path(f"{_made(folder).get('patient')}.csv").name
    folder = folder.absolute()  # "." has no name
    return [within if within.exists() else folder.parent / f"{folder.name}.csv"]


def remove_earlier_prediction(folder: Path, openkbp_table: Path | None = None) -> None:
    """Remove what an earlier prediction left in a folder.

    Args:
        folder: the prediction's.
        openkbp_table: where the next one's table in the challenge's layout would lie; removed, as the earlier
            prediction's own is wherever that lies, if that prediction wrote one.

    Raises:
        InputError: something there can't be removed; all is left where another program has a part of it open.
    """
    if not holds_prediction(folder):
        return
    tables = _tables_of(folder)
    if tables and openkbp_table is not None:
        tables.append(openkbp_table)
    _check_closed(folder, *tables)
    for path in (*(folder / name for name in _RESULTS), *tables):
        remove_left_file(path, "prediction")


def remove_left_file(path: Path, left_by: str) -> None:
    """Remove a file, if it is there, that an earlier run left ("prediction", "evaluation").

    Raises:
        InputError: it can't be removed.
    """
    try:
        remove_file(path)
    except OSError as error:
        raise InputError(
            f"Cannot remove {path}, which an earlier {left_by} left: {error.strerror or error}; give another folder "
            "with -o."
        ) from error


def _check_closed(folder: Path, *tables: Path) -> None:
    for path in (*(folder / name for name in (*_RESULTS, PREDICTION)), *tables):
        check_replaceable(path)


def check_writable(folder: Path) -> None:
    """Fail before the work rather than after it when a folder can't be written to; no folder is left behind.

    Raises:
        InputError: it can't.
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    probe = folder / ".writable"
    try:
        with whole_file(probe) as temporary:
            temporary.write_bytes(b"")
        probe.unlink()
    finally:
        for place in missing:
            with suppress(OSError):
                place.rmdir()
