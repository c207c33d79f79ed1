"""Installing what is missing, by Slicer's PyTorch extension and Slicer's own installer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import slicer

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
        tell("Installing PyTorch...")
        _install_torch()
    others = [requirement for requirement in requirements if requirement != TORCH]
    if others:
        tell(f"Installing {', '.join(others)}...")
        _install(others)


def _install_torch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        raise InstallationFailed(
            "Slicer's PyTorch extension is missing; install it from the Extensions Manager, restart and try again."
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=False, torchVersionRequirement=TORCH.removeprefix("torch")
        )
    except Exception as error:
        raise InstallationFailed(f"PyTorch could not be installed: {error}") from error
    if torch is None:
        raise InstallationFailed("PyTorch was not installed.")


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
        raise InstallationFailed(f"{', '.join(requirements)} could not be installed: {error}") from error
