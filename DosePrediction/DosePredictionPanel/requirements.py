"""The Python packages that predicting needs and Slicer does not bring. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata

from slicer.i18n import tr as _

TORCH = "torch>=2.6"
#: None of them replaces a package that Slicer brings.
SAFETENSORS = "safetensors>=0.5"


@dataclass(frozen=True)
class Missing:
    """A requirement that is not met, and the size of its download."""

    requirement: str
    size: str


def missing_requirements() -> list[Missing]:
    """What must be installed before a dose can be predicted. Needs no network and imports none of it."""
    sizes = {TORCH: _("200 MB, or about 2.5 GB with GPU support"), SAFETENSORS: _("0.5 MB")}
    return [Missing(requirement, size) for requirement, size in sizes.items() if not _is_met(requirement)]


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
