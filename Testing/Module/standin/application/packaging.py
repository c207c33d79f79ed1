"""slicer.packaging and the PyTorch extension's PyTorchUtils: nothing is installed, what was asked for is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from subprocess import CalledProcessError
from types import ModuleType
from typing import Any

import slicer
from packaging.requirements import Requirement
from PySide6 import QtCore


@dataclass
class Installer:
    """What there is, what was asked for, and what happens then.

    Attributes:
        missing: names of packages that are said not to be there.
        installed: names of packages that were installed since.
        asked: the requirements of each installation that was begun.
        output: lines that pip prints.
        fails: whether pip fails.
    """

    missing: set[str] = field(default_factory=set)
    installed: set[str] = field(default_factory=set)
    asked: list[list[str]] = field(default_factory=list)
    output: list[str] = field(default_factory=lambda: ["Collecting", "Successfully installed"])
    fails: bool = False

    def reset(self) -> None:
        """As new."""
        self.missing, self.installed, self.asked, self.fails = set(), set(), [], False

    def has(self, requirement: Requirement) -> bool:
        """Whether a package is there, in a fitting version."""
        if requirement.name in self.missing | self.installed:
            return requirement.name in self.installed
        try:
            return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
        except metadata.PackageNotFoundError:
            return False

    def install(self, requirements: list[str], log: Callable[[str], None] | None) -> None:
        """Take note of what is asked for, and have it from then on.

        As in Slicer, the application goes on at every line: a user can press buttons meanwhile.

        Raises:
            CalledProcessError: as pip.
        """
        self.asked.append(requirements)
        for line in self.output:
            if log is not None:
                log(line)
            slicer.app.processEvents()
        if self.fails:
            raise CalledProcessError(1, ["PythonSlicer", "-m", "pip", "install", *requirements])
        self.installed |= {Requirement(requirement).name for requirement in requirements}


def requirement_list(requirements: Any) -> list[Requirement]:
    """Requirements as slicer.packaging takes them: text with spaces between, one, or a list."""
    if isinstance(requirements, Requirement):
        return [requirements]
    if isinstance(requirements, str):
        requirements = re.split(r"\s+(?=[A-Za-z])", requirements.strip())
    return [item if isinstance(item, Requirement) else Requirement(item) for item in requirements]


def make_packaging(installer: Installer) -> ModuleType:
    """The module slicer.packaging, of Slicer 5.11 and later."""

    def pip_check(req: Any) -> bool:
        return all(installer.has(requirement) for requirement in requirement_list(req))

    def pip_install(
        requirements: Any,
        constraints: Any = None,
        no_deps_requirements: Any = None,
        skip_packages: list[str] | None = None,
        blocking: bool = True,
        show_progress: bool = True,
        requester: str | None = None,
        logCallback: Callable[[str], None] | None = None,
        completedCallback: Callable[[int], None] | None = None,
    ) -> list[str] | None:
        asked = [str(item) for item in (requirement_list(no_deps_requirements) if no_deps_requirements else [])]
        asked += [str(item) for item in requirement_list(requirements)]
        if blocking:
            installer.install(asked, logCallback)
        else:
            QtCore.QTimer.singleShot(0, lambda: in_background(asked, logCallback, completedCallback))
        return [] if skip_packages else None

    def in_background(asked: list[str], log: Any, completed: Any) -> None:
        code = 0
        try:
            installer.install(asked, log)
        except CalledProcessError as error:
            code = error.returncode
        if completed is not None:
            completed(code)

    def pip_ensure(
        requirements: Any,
        constraints: Any = None,
        skip_packages: list[str] | None = None,
        prompt_install: bool = True,
        prompt_restart: bool = True,
        requester: str | None = None,
        skip_in_testing: bool = True,
        show_progress: bool = True,
    ) -> list[str] | None:
        needed = [str(requirement) for requirement in requirement_list(requirements) if not installer.has(requirement)]
        if not needed:
            return None
        if prompt_install:
            title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
            text = f"{len(needed)} Python package(s) need to be installed.\n\nContinue?"
            details = "\n".join(f"- {name}" for name in needed)
            if not slicer.util.confirmOkCancelDisplay(text, title, detailedText=details):
                raise RuntimeError("User declined package installation")
        return pip_install(needed, constraints=constraints, skip_packages=skip_packages, requester=requester)

    module = ModuleType("slicer.packaging")
    module.__dict__.update(pip_check=pip_check, pip_install=pip_install, pip_ensure=pip_ensure)
    return module


def make_pytorch_utils(installer: Installer) -> ModuleType:
    """The module PyTorchUtils of Slicer's PyTorch extension."""

    class PyTorchUtilsLogic:
        """Installs torch."""

        @staticmethod
        def torchInstalled() -> bool:
            return installer.has(Requirement("torch"))

        def installTorch(
            self,
            askConfirmation: bool = False,
            forceComputationBackend: str | None = None,
            torchVersionRequirement: str | None = None,
            torchvisionVersionRequirement: str | None = None,
        ) -> Any:
            """The module torch, or None where the user declined."""
            asked = [f"torch{torchVersionRequirement or ''}", f"torchvision{torchvisionVersionRequirement or ''}"]
            text = f"PyTorch will be downloaded and installed using light-the-torch (ltt install {' '.join(asked)})."
            if askConfirmation and not slicer.util.confirmOkCancelDisplay(text):
                return None
            installer.install(asked, None)
            import torch

            return torch

    module = ModuleType("PyTorchUtils")
    module.__dict__["PyTorchUtilsLogic"] = PyTorchUtilsLogic
    return module
