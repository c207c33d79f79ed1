"""Install: what is missing, offered once, and again after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from DosePredictionPanel.installation import InstallationFailed, install
from DosePredictionPanel.requirements import TORCH, Missing, missing_requirements, why_not_here
from DosePredictionPanel.section import Section


class InstallSection(Section):
    """Packages to be installed before the first prediction. Not to be seen when all is there.

    Args:
        changed: called when an installation begins and after it.

    Attributes:
        installing: whether packages are being installed. Slicer goes on with what the user does meanwhile.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__("Install")
        self.installing = False
        self._changed = changed
        self._system = "default"
        self.ui.installButton.connect("clicked(bool)", self._on_install)
        self.widget.visible = False  # shown without a parent yet, it would be a window

    def use_system(self, system: str) -> None:
        """Look for what this system needs from now on."""
        if system != self._system:
            self._system = system
            self.show()

    def show(self) -> None:
        """Look what is missing."""
        missing = missing_requirements(self._system)
        self.widget.visible = bool(missing)
        why_not = _not_here(missing)
        self.ui.installButton.visible = not why_not
        if why_not:
            self._say(why_not)
        self.ui.installLabel.text = _("Predicting needs Python packages that Slicer does not bring:\n{list}").format(
            list="\n".join(f"  {entry.requirement}  ({entry.size})" for entry in missing)
        )

    def offer(self) -> bool:
        """Install what is missing if the user agrees; whether nothing is missing any more.

        False, too, while another installation is under way: a second pip would write into the same folders.
        """
        if self.installing:
            return False
        missing = missing_requirements(self._system)
        if not missing:
            return True
        if _not_here(missing):
            self.show()
            return False
        question = _(
            "To predict doses, these Python packages are downloaded and installed into Slicer:\n\n{list}\n\n"
            "Install them?"
        ).format(list="\n".join(f"{entry.requirement}: {entry.size}" for entry in missing))
        if not slicer.util.confirmOkCancelDisplay(question, windowTitle=_("Dose Prediction")):
            self._say(_("Nothing was installed. Predicting needs these packages; install them when you like."))
            return False
        self._set_installing(True)
        slicer.app.setOverrideCursor(qt.Qt.WaitCursor)
        try:
            install(missing, self._say)
        except InstallationFailed as error:
            self._say(_("{error}\nTry again when that is mended.").format(error=error))
            return False
        finally:
            slicer.app.restoreOverrideCursor()
            self.show()
            self._set_installing(False)
        self._say("" if not missing_requirements(self._system) else _("Restart Slicer to use what was installed."))
        return not missing_requirements(self._system)

    def _set_installing(self, installing: bool) -> None:
        self.installing = installing
        self.ui.installButton.enabled = not installing
        self._changed()

    def _on_install(self, *_arguments: Any) -> None:
        self.offer()

    def _say(self, text: str) -> None:
        self.ui.installStatusLabel.text = text


def _not_here(missing: Sequence[Missing]) -> str:
    """Why what is missing cannot be installed on this computer; empty where it can."""
    return why_not_here() if any(entry.requirement == TORCH for entry in missing) else ""
