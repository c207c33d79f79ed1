"""Export buttons: report, tables, dose volume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from DosePredictionScene.node_geometry import volume_geometry
from DosePredictionScene.pieces import in_background
from DosePredictionScene.prediction_run import Shown
from DosePredictionScene.report_page import write_report
from slicer.i18n import tr as _

from DosePredictionLib.dosimetry.tables import write_dvh_csv, write_dvh_summary_csv, write_goals_csv
from DosePredictionLib.patient.volume import Volume
from DosePredictionPanel.jobs import Jobs


class Exports:
    """What can be written to files. Files are written in a thread.

    Args:
        ui: the section's widgets.
        jobs: does it.
        tell: shows a sentence to the user.

    Attributes:
        shown: the last prediction; None after a scene was loaded, when only the dose is there to be written.
    """

    def __init__(self, ui: Any, jobs: Jobs, tell: Callable[[str], None]) -> None:
        self._ui, self._jobs, self._tell = ui, jobs, tell
        self._dose: Any = None
        self.shown: Shown | None = None
        ui.exportReportButton.connect("clicked(bool)", self._on_report)
        ui.exportTablesButton.connect("clicked(bool)", self._on_tables)
        ui.exportDoseButton.connect("clicked(bool)", self._on_dose)

    def show(self, dose: Any) -> None:
        """Offer what there is of a dose."""
        self._dose = dose
        fresh = dose is not None and self.shown is not None and self.shown.nodes.dose is dose
        self._ui.exportReportButton.enabled = self._ui.exportTablesButton.enabled = fresh
        self._ui.exportDoseButton.enabled = dose is not None

    def _on_report(self, *_arguments: Any) -> None:
        path = self._ask_file(_("Write a report"), "report.html", "HTML (*.html)")
        if path and self.shown is not None:
            self._write(path, lambda shown=self.shown: write_report(shown, path))

    def _on_tables(self, *_arguments: Any) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self._ui.exportTablesButton, _("Write tables into a folder"))
        shown = self.shown
        if not folder or shown is None:
            return

        def write() -> None:
            write_dvh_csv(shown.prediction.dvhs, Path(folder) / "dvh.csv")
            write_dvh_summary_csv(shown.prediction.dvhs, Path(folder) / "dvh-summary.csv")
            write_goals_csv(shown.goals, Path(folder) / "goals.csv")

        self._write(str(folder), write)

    def _on_dose(self, *_arguments: Any) -> None:
        path = self._ask_file(_("Write the dose"), "dose.nrrd", "NRRD (*.nrrd);;NIfTI (*.nii.gz)")
        if path:
            dose = Volume(slicer.util.arrayFromVolume(self._dose).copy(), volume_geometry(self._dose))
            self._write(path, lambda: dose.write(path))

    def _ask_file(self, title: str, name: str, kinds: str) -> str:
        return str(qt.QFileDialog.getSaveFileName(self._ui.exportDoseButton, title, name, kinds) or "")

    def _write(self, where: str, write: Callable[[], None]) -> None:
        self._jobs.add(in_background(write), lambda _result: self._tell(_("Written: {where}").format(where=where)))
