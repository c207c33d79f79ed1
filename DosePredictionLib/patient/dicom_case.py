"""Which DICOM objects belong together: CT series, structure set, plan and doses of one case.

A structure set names its CT series; where that series isn't there (renamed by anonymisation, say), the frame of
reference decides, then the study. A plan names its structure set, a dose its plan; where they name none that is there,
again the frame of reference decides.

An object may be there twice: copies of a file count once, even where an export stamped them anew. Files whose contents
differ and that yet have one SOP Instance UID (a structure set that several observers edited, each in a folder) belong
to a case each.

A case is a path: the folder that holds nothing else, or else one of its files: its RTPLAN or RTSTRUCT, which also tells
which of several is meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_files import DicomFile, check_all_open, files_below, read_dicom_file
from DosePredictionLib.patient.dicom_maker import MANUFACTURER
from DosePredictionLib.patient.dicom_versions import distinct, find_dicom_files, find_versions

#: How many folders above a file its CT is looked for.
_FOLDERS_UP = 2


@dataclass(frozen=True)
class DicomCase:
    """The objects of one case.

    Attributes:
        ct: the slices of one series.
        structure_set: the RTSTRUCT.
        plan: the RTPLAN; None when there is none.
        doses: RTDOSE objects of the plan, or without a plan those in the CT's frame of reference.
        warnings: choices that were made, one sentence each.
        plan_elsewhere: the plan's positions are given in another frame of reference than the CT's.
    """

    ct: tuple[DicomFile, ...]
    structure_set: DicomFile
    plan: DicomFile | None
    doses: tuple[DicomFile, ...]
    warnings: tuple[str, ...] = ()
    plan_elsewhere: bool = False


@dataclass(frozen=True)
class _Group:
    """CT series that may be meant (one when all is well) and the structure sets drawn on them, with what follows."""

    series: tuple[tuple[DicomFile, ...], ...]
    structure_sets: tuple[DicomFile, ...]
    plans: tuple[DicomFile, ...]
    doses: tuple[DicomFile, ...]

    @property
    def files(self) -> tuple[DicomFile, ...]:
        return (*(file for series in self.series for file in series), *self.structure_sets, *self.plans, *self.doses)


def holds_dicom_case(folder: Path) -> bool:
    """Whether a folder's tree holds what no case can be without: a CT and a structure set."""
    wanted = {"CT", "RTSTRUCT"}
    for file in files_below(folder):
        if not _is_localizer(file) and not _predicted(file):
            wanted.discard(file.modality)
        if not wanted:
            return True
    return False


def find_dicom_cases(path: Path) -> list[Path]:
    """The paths of all cases in a folder's tree: the folder itself, folders in it, or files that stand for their case.

    A file comes back as it is.
    """
    if path.is_file():
        return [path]
    versions = [files for files in find_versions(path) if len(files) > 1]
    # Within one folder nothing tells which is meant: reading the folder says so.
    if versions and not any(len({file.path.parent for file in files}) < len(files) for files in versions):
        return _cases_by_folder(path) or [path]
    groups = _groups(find_dicom_files(path))
    if len(groups) <= 1:
        return [path]
    homes = [_home(group) for group in groups]
    return [
        home if all(_apart(home, other) for other in homes[:index] + homes[index + 1 :]) else _stand_in(group)
        for index, (home, group) in enumerate(zip(homes, groups, strict=True))
    ]


def _cases_by_folder(path: Path) -> list[Path]:
    """The cases in a folder's tree where objects are there in several versions: by the folders right inside it.

    A folder with structures but without the CT, which is elsewhere in the tree, gives its structure sets; or the plans
    or doses drawn up for one, where it is those that are there in several versions.
    """
    cases: list[Path] = []
    sets: dict[str, list[DicomFile]] = {}
    for entry in sorted(entry for entry in path.iterdir() if not entry.name.startswith(".")):
        if entry.is_dir():
            groups = _groups(find_dicom_files(entry))
            if any(group.series and group.structure_sets for group in groups):
                cases.extend(find_dicom_cases(entry))
                continue
            files = list(files_below(entry))
        else:
            file = read_dicom_file(entry)
            files = [file] if file is not None else []
        for file in files:
            if file.modality == "RTSTRUCT" and not _predicted(file):
                sets.setdefault(file.instance_uid, []).append(file)
    for versions in sets.values():
        for structure_set in distinct(versions):
            cases.extend(_told_apart(structure_set.path, path))
    return list(dict.fromkeys(cases))


def _told_apart(structure_set: Path, folder: Path) -> list[Path]:
    """A structure set as the path of a case; the versions of its plan or dose instead where nothing says which."""
    try:
        rival = _rival(_chosen(structure_set))
    except InputError:  # which is told when it is read
        return [structure_set]
    if rival is None:
        return [structure_set]
    if rival.modality in ("RTPLAN", "RTDOSE"):
        for versions in find_versions(folder):
            if versions[0].instance_uid == rival.instance_uid and len(versions) > 1:
                return [file.path for file in versions]
    return [structure_set]


def choose_case(path: Path) -> DicomCase:
    """The one case that a path means.

    Args:
        path: a folder, searched with all folders in it, or a DICOM file: an RTSTRUCT or RTPLAN to say which is meant.

    Raises:
        InputError: CT or structure set is missing, there are several candidates, or what may belong to the case
            can't be opened; the sentence names them.
    """
    if path.is_dir():
        check_all_open(path)
        case = _chosen(path)
    else:
        try:
            case = _chosen(path)
        except InputError:
            check_all_open(path.parent)  # or else this may be why something is missing
            raise
        for folder in {file.path.parent for file in _files_of(case)}:
            check_all_open(folder, below=False)
    file = _rival(case)
    if file is not None:
        raise InputError(
            f"{file.path} and {file.rival} differ, but have the same SOP Instance UID; take out the one that does not "
            "belong, or give the folder of one case."
        )
    return case


def _rival(case: DicomCase) -> DicomFile | None:
    """The first file of a case that has a rival."""
    return next((file for file in _files_of(case) if file.rival is not None), None)


def _files_of(case: DicomCase) -> tuple[DicomFile, ...]:
    return (*case.ct, case.structure_set, *([case.plan] if case.plan is not None else []), *case.doses)


def _chosen(path: Path) -> DicomCase:
    if path.is_dir():
        groups = _groups(find_dicom_files(path))
        if not groups:
            raise InputError(f"{path} holds DICOM files, but neither a CT nor structures; add them.")
        if len(groups) > 1:
            names = [str(_stand_in(group).relative_to(path)) for group in groups]
            raise InputError(f"{path} holds {len(groups)} cases; choose one by giving {_either(names)}.")
        return _only_case(groups[0], path, None)
    chosen = read_dicom_file(path)
    if chosen is None:
        raise InputError(f"{path} is no CT, RTSTRUCT, RTPLAN or RTDOSE file; give one of these or their folder.")
    folder = path.resolve().parent
    group = None
    for _ in range(_FOLDERS_UP + 1):
        groups = _groups(find_dicom_files(folder, near=path.resolve()))
        group = next((g for g in groups if any(_same(file, chosen) for file in g.files)), None)
        if group is not None and group.series and group.structure_sets:
            break
        folder = folder.parent
    if group is None:
        raise InputError(f"{path} belongs to no CT and structure set that is near it; put them into one folder.")
    return _only_case(_narrowed(group, chosen), path, chosen)


def _groups(files: Sequence[DicomFile]) -> list[_Group]:
    series: dict[str, list[DicomFile]] = {}
    for file in files:
        if file.modality == "CT" and not _is_localizer(file):
            series.setdefault(file.series_uid, []).append(file)
    structure_sets, every_plan, every_dose = (
        [file for file in files if file.modality == modality] for modality in ("RTSTRUCT", "RTPLAN", "RTDOSE")
    )
    # Predictions may have been written among the files they were made from.
    structure_sets = [file for file in structure_sets if not _predicted(file)] or structure_sets
    every_dose = [file for file in every_dose if not _predicted(file)]
    by_series: dict[tuple[str, ...], list[DicomFile]] = {}
    for structure_set in structure_sets:
        by_series.setdefault(_series_of(structure_set, series), []).append(structure_set)
    if not by_series:
        # CT without structures: told apart by series, so that the missing structures can be said of each.
        by_series = {(uid,): [] for uid in series}
    groups = []
    for uids, sets in by_series.items():
        members = tuple(tuple(series[uid]) for uid in uids)
        frames = {_frame(file) for part in members for file in part[:1]} | {_frame(file) for file in sets}
        plans = tuple(plan for plan in every_plan if _plan_fits(plan, sets, structure_sets, frames))
        doses = tuple(dose for dose in every_dose if _dose_fits(dose, plans, every_plan, frames))
        groups.append(_Group(members, tuple(sets), plans, doses))
    return groups


def _is_localizer(file: DicomFile) -> bool:
    return "LOCALIZER" in file.text("ImageType")


def _predicted(file: DicomFile) -> bool:
    return file.text("Manufacturer") == MANUFACTURER


def _series_of(structure_set: DicomFile, series: dict[str, list[DicomFile]]) -> tuple[str, ...]:
    """The CT series that a structure set may have been drawn on."""
    named, frames = [], []
    for frame in structure_set.header.get("ReferencedFrameOfReferenceSequence") or []:
        frames.append(str(frame.get("FrameOfReferenceUID", "")))
        for study in frame.get("RTReferencedStudySequence") or []:
            for item in study.get("RTReferencedSeriesSequence") or []:
                named.append(str(item.get("SeriesInstanceUID", "")))
    found = [uid for uid in series if uid in named]
    if not found:
        found = [uid for uid, slices in series.items() if _frame(slices[0]) and _frame(slices[0]) in frames]
    if not found:
        study = structure_set.text("StudyInstanceUID")
        found = [uid for uid, slices in series.items() if slices[0].text("StudyInstanceUID") == study]
    return tuple(sorted(found))


def _frame(file: DicomFile) -> str:
    """Frame of reference of an object; for a structure set the first that it names."""
    own = file.text("FrameOfReferenceUID")
    if own or file.modality != "RTSTRUCT":
        return own
    frames = file.header.get("ReferencedFrameOfReferenceSequence") or []
    return str(frames[0].get("FrameOfReferenceUID", "")) if frames else ""


def _plan_fits(plan: DicomFile, own: list[DicomFile], every: list[DicomFile], frames: set[str]) -> bool:
    named = _named(plan, "ReferencedStructureSetSequence")
    if any(file.instance_uid in named for file in every):
        return any(file.instance_uid in named for file in own)
    return bool(_frame(plan)) and _frame(plan) in frames


def _dose_fits(dose: DicomFile, plans: tuple[DicomFile, ...], every: list[DicomFile], frames: set[str]) -> bool:
    named = _named(dose, "ReferencedRTPlanSequence")
    if any(plan.instance_uid in named for plan in every):
        return any(plan.instance_uid in named for plan in plans)
    return bool(_frame(dose)) and _frame(dose) in frames


def _named(file: DicomFile, sequence: str) -> set[str]:
    """The instances that a sequence of references names."""
    return {str(item.get("ReferencedSOPInstanceUID", "")) for item in file.header.get(sequence) or []}


def _only_case(group: _Group, path: Path, chosen: DicomFile | None) -> DicomCase:
    if not group.structure_sets:
        raise InputError(f"{path} holds a CT but no structure set (RTSTRUCT); export the structures too.")
    if not group.series:
        raise InputError(
            f"The CT on which the structure set {group.structure_sets[0].path.name} was drawn is not in {path}; export "
            "the CT too, or give the folder that holds both."
        )
    if len(group.series) > 1:
        examples = [f"{_called(slices[0], 'SeriesDescription')} ({len(slices)} slices)" for slices in group.series]
        raise InputError(
            f"The structures in {path} may have been drawn on any of {len(group.series)} CT series: "
            f"{', '.join(examples)}; give a slice of the right one, or take the others out of the folder."
        )
    warnings: list[str] = []
    structure_set = _one_structure_set(group, path, warnings)
    sets = {structure_set.instance_uid}
    known = {file.instance_uid for file in group.structure_sets}
    plans = [
        plan for plan in group.plans
        if _named(plan, "ReferencedStructureSetSequence") & sets
        or not _named(plan, "ReferencedStructureSetSequence") & known
    ]  # fmt: skip
    plan = _one_plan(plans, path, warnings)
    doses = group.doses if plan is None else _doses_of(plan, group)
    if chosen is not None and chosen.modality == "RTDOSE":
        doses = (chosen,)
    frames = {_frame(group.series[0][0]), *_named_frames(structure_set)}
    doses = _doses_here(doses, frames, chosen, warnings)
    for dose in doses:
        named = _named(dose, "ReferencedRTPlanSequence")
        if plan is not None and named and plan.instance_uid not in named:
            warnings.append(
                f"The dose {dose.path.name} was calculated for a plan that is not there; it was taken for that of "
                f"{_called(plan, 'RTPlanLabel')}."
            )
    elsewhere = plan is not None and not _lies_in(plan, frames)
    return DicomCase(group.series[0], structure_set, plan, doses, tuple(warnings), elsewhere)


def _doses_here(
    doses: tuple[DicomFile, ...], frames: set[str], chosen: DicomFile | None, warnings: list[str]
) -> tuple[DicomFile, ...]:
    """The doses whose positions mean the same as the CT's; others are told."""
    here = tuple(dose for dose in doses if _lies_in(dose, frames))
    for dose in doses:
        if dose not in here:
            where = f"The dose {dose.path.name} lies in another frame of reference than the CT"
            if dose is chosen:
                raise InputError(f"{where}; check that it belongs to this patient and this CT.")
            warnings.append(f"{where} and was passed over.")
    return here


def _lies_in(file: DicomFile, frames: set[str]) -> bool:
    """Whether an object's frame of reference is one of these, or unknown."""
    return not any(frames) or _frame(file) in {"", *frames}


def _named_frames(structure_set: DicomFile) -> set[str]:
    return {
        str(item.get("FrameOfReferenceUID", ""))
        for item in structure_set.header.get("ReferencedFrameOfReferenceSequence") or []
    }


def _one_structure_set(group: _Group, path: Path, warnings: list[str]) -> DicomFile:
    sets = group.structure_sets
    if len(sets) == 1:
        return sets[0]
    named = {uid for plan in group.plans for uid in _named(plan, "ReferencedStructureSetSequence")}
    planned = [structure_set for structure_set in sets if structure_set.instance_uid in named]
    if len(planned) == 1:
        others = ", ".join(_called(s, "StructureSetLabel") for s in sets if s is not planned[0])
        warnings.append(
            f"Of {len(sets)} structure sets the plan's was taken, {_called(planned[0], 'StructureSetLabel')}; passed "
            f"over: {others}."
        )
        return planned[0]
    raise InputError(
        f"{path} holds {len(sets)} structure sets of one CT: {_list(sets, 'StructureSetLabel')}; give the file of the "
        "one to use."
    )


def _one_plan(plans: list[DicomFile], path: Path, warnings: list[str]) -> DicomFile | None:
    if len(plans) <= 1:
        return plans[0] if plans else None
    approved = [plan for plan in plans if plan.text("ApprovalStatus") == "APPROVED"]
    if len(approved) == 1:
        warnings.append(f"Of {len(plans)} plans the approved one was taken, {_called(approved[0], 'RTPlanLabel')}.")
        return approved[0]
    raise InputError(
        f"{path} holds {len(plans)} plans of one structure set: {_list(plans, 'RTPlanLabel')}; give the file of the "
        "one to use."
    )


def _doses_of(plan: DicomFile, group: _Group) -> tuple[DicomFile, ...]:
    """The doses that name a plan, or else those that name no other plan of the group."""
    naming = tuple(dose for dose in group.doses if plan.instance_uid in _named(dose, "ReferencedRTPlanSequence"))
    plans = {other.instance_uid for other in group.plans}
    return naming or tuple(dose for dose in group.doses if not _named(dose, "ReferencedRTPlanSequence") & plans)


def _narrowed(group: _Group, chosen: DicomFile) -> _Group:
    """What is left of a group when one of its files was named."""
    if chosen.modality == "CT":
        return replace(group, series=tuple(s for s in group.series if s[0].series_uid == chosen.series_uid))
    if chosen.modality == "RTSTRUCT":
        return replace(group, structure_sets=(chosen,))
    if chosen.modality == "RTPLAN":
        named = _named(chosen, "ReferencedStructureSetSequence")
        sets = tuple(s for s in group.structure_sets if s.instance_uid in named) or group.structure_sets
        return replace(group, structure_sets=sets, plans=(chosen,), doses=_doses_of(chosen, group))
    named = _named(chosen, "ReferencedRTPlanSequence")
    return replace(group, plans=tuple(p for p in group.plans if p.instance_uid in named) or group.plans)


def _same(file: DicomFile, other: DicomFile) -> bool:
    return file.instance_uid == other.instance_uid


def _home(group: _Group) -> Path:
    """The deepest folder that holds all files of a group."""
    return Path(os.path.commonpath([file.path.parent for file in group.files]))


def _apart(home: Path, other: Path) -> bool:
    return home != other and home not in other.parents and other not in home.parents


def _stand_in(group: _Group) -> Path:
    """The file that tells most about which case is meant."""
    if len(group.plans) == 1:
        return group.plans[0].path
    return (*group.structure_sets, *group.files)[0].path


def _called(file: DicomFile, keyword: str) -> str:
    """What a file is called for the user: its label and its name."""
    label = file.text(keyword)
    return f"{label!r} in {file.path.name}" if label else file.path.name


def _list(files: Iterable[DicomFile], keyword: str) -> str:
    return ", ".join(_called(file, keyword) for file in files)


def _either(names: list[str]) -> str:
    return " or ".join(names) if len(names) < 6 else f"{', '.join(names[:5])} or one of {len(names) - 5} others"
