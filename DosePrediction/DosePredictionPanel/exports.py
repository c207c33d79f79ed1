"""Export buttons: report, tables, dose volume, DICOM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import qt
from DosePredictionScene.dicom_source import ct_files, structure_set_file
from DosePredictionScene.measured import Measured
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import ChangedMeanwhile, Pieces, in_background
from DosePredictionScene.prediction_request import Request
from DosePredictionScene.scored import Scored
from DosePredictionScene.voxels import volume_in_pieces
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.goals import goals_of
from DosePredictionLib.dosimetry.named_dose import NamedDose
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.dicom_reference import DicomReference
from DosePredictionLib.patient.writer_dicom_dose import write_rtdose
from DosePredictionLib.report.write import write_report
from DosePredictionPanel.exported_tables import earlier_tables, write_tables
from DosePredictionPanel.files_to_write import ask_file, may_replace
from DosePredictionPanel.jobs import Jobs

PREDICTED_NAME = "Predicted"


class Exports:
    """What can be written to files. Files are written in a thread.

    Args:
        ui: the section's widgets.
        jobs: does it.
        tell: shows a sentence to the user.
        request, goals: give what is chosen.
        plan_note: gives the sentence that the dose is of an earlier plan (`plan_note`); "" where it isn't.
        measured: gives the dose with what was found in it.
        scored: gives it on the chosen scorecard; None where none is chosen.
    """

    def __init__(
        self,
        ui: Any,
        jobs: Jobs,
        tell: Callable[[str], None],
        request: Callable[[], Request],
        goals: Callable[[], str],
        plan_note: Callable[[], str],
        measured: Callable[[], Pieces[Measured]],
        scored: Callable[[], Pieces[Scored | None]],
    ) -> None:
        self._ui, self._jobs, self._tell = ui, jobs, tell
        self._request, self._goals, self._measured, self._scored = request, goals, measured, scored
        self._plan_note = plan_note
        self._dose: Any = None
        self._dicom_tip = ui.exportDicomButton.toolTip
        ui.exportReportButton.connect("clicked(bool)", self._on_report)
        ui.exportTablesButton.connect("clicked(bool)", self._on_tables)
        ui.exportDoseButton.connect("clicked(bool)", self._on_dose)
        ui.exportDicomButton.connect("clicked(bool)", self._on_dicom)

    def show(self, dose: Any, ct: Any) -> None:
        """Offer what there is of the dose on a CT."""
        self._dose = dose
        ui = self._ui
        for button in (ui.exportReportButton, ui.exportTablesButton, ui.exportDoseButton):
            button.enabled = dose is not None
        from_dicom = ct is not None and bool(ct_files(ct))
        ui.exportDicomButton.enabled = dose is not None and from_dicom
        ui.exportDicomButton.toolTip = (
            self._dicom_tip
            if from_dicom or ct is None
            else _("The CT was not loaded from DICOM, so there is no study that an RT Dose could belong to.")
        )

    def _on_report(self, *_arguments: Any) -> None:
        path = self._ask_file(_("Write a report"), "report.html", _("Web page (*.html *.htm)"))
        if path:
            self._write(path, self._report(path, self._dose))

    def _on_tables(self, *_arguments: Any) -> None:
        button = self._ui.exportTablesButton
        folder = qt.QFileDialog.getExistingDirectory(button, _("Write tables into a folder"))
        if not folder:
            return
        earlier = earlier_tables(Path(str(folder)))
        if not earlier or may_replace(earlier, button):
            self._write(str(folder), self._tables(Path(str(folder)), self._dose))

    def _on_dose(self, *_arguments: Any) -> None:
        kinds = _("NRRD (*.nrrd);;NIfTI (*.nii.gz *.nii);;MetaImage (*.mha)")
        path = self._ask_file(_("Write the dose"), "dose.nrrd", kinds)
        if path:
            self._write(path, self._dose_file(path, self._dose))

    def _on_dicom(self, *_arguments: Any) -> None:
        path = self._ask_file(_("Write the dose as DICOM RT Dose"), "rtdose.dcm", _("DICOM (*.dcm)"))
        if path:
            self._write(path, self._dicom_file(path, self._dose))

    def _report(self, path: str, dose_node: Any) -> Pieces[None]:
        self._check_chosen(dose_node)
        goals, note = goals_of(self._goals()), self._plan_note()
        measured = yield from self._measured()
        self._check_chosen(dose_node)
        prediction = measured.prediction
        dose = NamedDose(
            PREDICTED_NAME, prediction.dose, std=prediction.dose_std, provenance=asdict(prediction.provenance),
            warnings=(note,) if note else (),
        )  # fmt: skip
        yield from in_background(write_report, path, prediction.patient, [dose], goals)

    def _tables(self, folder: Path, dose_node: Any) -> Pieces[None]:
        self._check_chosen(dose_node)
        measured = yield from self._measured()
        self._check_chosen(dose_node)
        scored = yield from self._scored()
        self._check_chosen(dose_node)
        yield from in_background(write_tables, folder, measured, scored)

    def _dose_file(self, path: str, dose_node: Any) -> Pieces[None]:
        dose = yield from volume_in_pieces(dose_node)
        yield from in_background(dose.write, path)

    def _dicom_file(self, path: str, dose_node: Any) -> Pieces[None]:
        self._check_chosen(dose_node)
        request = self._request()
        files, structure_set = ct_files(request.ct_node), structure_set_file(request.segmentation_node)
        geometry = volume_geometry(request.ct_node)
        reference = yield from in_background(DicomReference.of_ct_files, files, structure_set)
        if not reference.lies_like(geometry):
            raise InputError(
                _(
                    "{name} does not lie where its DICOM files say (moved by a transform, cropped or resampled), so "
                    "nothing tells whether a dose on it is in their frame of reference; load the CT again and predict, "
                    "or write the dose as NRRD."
                ).format(name=request.ct_node.GetName())
            )
        dose = yield from volume_in_pieces(dose_node)
        try:
            patient = (yield from self._measured()).prediction.patient
        except ChangedMeanwhile:
            raise
        except InputError:  # a dose that can't be measured is written without its prescriptions
            patient = None
        self._check_chosen(dose_node)
        yield from in_background(lambda: write_rtdose(dose, reference, path, patient=patient))

    def _check_chosen(self, dose_node: Any) -> None:
        """What is measured is the chosen dose: it has to be the one that the user wanted to write.

        Raises:
            InputError: another CT was chosen meanwhile.
        """
        if self._dose is not dose_node:
            raise InputError(
                _("Another CT was chosen before the file was written, so it was not; choose that of the dose again.")
            )

    def _ask_file(self, title: str, name: str, kinds: str) -> str:
        return ask_file(self._ui.exportDoseButton, title, name, kinds)

    def _write(self, where: str, work: Pieces[None]) -> None:
        self._tell(_("Writing {where}...").format(where=where))
        self._jobs.add(work, lambda _result: self._tell(_("Written: {where}").format(where=where)))
