"""The Python packages that predicting needs and Slicer does not bring. No Qt."""

from __future__ import annotations

import platform
import re
import sys
from dataclasses import dataclass
from importlib import metadata

from slicer.i18n import tr as _

TORCH = "torch>=2.6"
#: None of them replaces a package that Slicer brings.
SAFETENSORS = "safetensors>=0.5"
#: What some systems need besides.
NEEDED_BY = {"addiff_dose": ("monai>=1.5", "einops>=0.8")}


@dataclass(frozen=True)
class Missing:
    """A requirement that is not met, and the size of its download."""

    requirement: str
    size: str


def missing_requirements(system: str = "default") -> list[Missing]:
    """What must be installed before a system can predict. Needs no network and imports none of it."""
    sizes = {TORCH: _("200 MB, or about 2.5 GB with GPU support"), SAFETENSORS: _("0.5 MB")}
    sizes |= {requirement: _("3 MB at most") for requirement in NEEDED_BY.get(system, ())}
    return [Missing(requirement, size) for requirement, size in sizes.items() if not _is_met(requirement)]


def why_not_here() -> str:
    """Why PyTorch cannot be had on this computer; empty where it can."""
    if sys.platform != "darwin" or platform.machine() != "x86_64":
        return ""
    return _(
        "This Slicer is built for Intel processors, for which PyTorch ended its macOS packages with version 2.2. "
        "Predicting needs {torch}: use a Slicer built for Apple silicon (arm64), or Linux or Windows."
    ).format(torch=TORCH)


def _is_met(requirement: str) -> bool:
    try:
        import slicer.packaging
    except ImportError:  # Slicer before 5.11, or no Slicer at all
        return _is_installed(requirement)
    return bool(slicer.packaging.pip_check(requirement))


def _is_installed(requirement: str) -> bool:
    name, _sign, least = requirement.partition(">=")
    try:
        return _numbers(metadata.version(name)) >= _numbers(least)
    except metadata.PackageNotFoundError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:3])
