"""Installing what is missing, by Slicer's PyTorch extension and Slicer's own installer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import slicer
from slicer.i18n import tr as _

from DosePredictionPanel.requirements import TORCH, Missing


class InstallationFailed(Exception):
    """Something could not be installed; the message says what and what to do."""


def install(missing: Sequence[Missing], tell: Callable[[str], None]) -> None:
    """Install packages; Slicer shows its progress meanwhile.

    Raises:
        InstallationFailed: with the installer's own message.
    """
    requirements = [entry.requirement for entry in missing]
    if TORCH in requirements:
        tell(_("Installing PyTorch..."))
        _install_torch()
    others = [requirement for requirement in requirements if requirement != TORCH]
    if others:
        tell(_("Installing {packages}...").format(packages=", ".join(others)))
        _install(others)


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise InstallationFailed(
            _("Slicer's PyTorch extension is missing; install it from the Extensions Manager, restart and try again.")
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=False, torchVersionRequirement=TORCH.removeprefix("torch")
        )
    except Exception as error:
        raise InstallationFailed(_("PyTorch could not be installed: {error}").format(error=error)) from error
    if torch is None:
        raise InstallationFailed(_("PyTorch was not installed."))


def _install(requirements: list[str]) -> None:
    try:
        from slicer import packaging
    except ImportError:  # Slicer before 5.11
        installer = slicer.util.pip_install
        arguments = {}
    else:
        installer, arguments = packaging.pip_install, {"requester": "DosePrediction"}
    try:
        installer(requirements, **arguments)
    except Exception as error:
        failed = _("{packages} could not be installed: {error}")
        raise InstallationFailed(failed.format(packages=", ".join(requirements), error=error)) from error
