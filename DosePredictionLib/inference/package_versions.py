"""With what a prediction was made."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that matter to a prediction, by name."""
    versions = {"python": platform.python_version()}
    for package in ("DosePrediction", "torch", "numpy", "SimpleITK"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "from source"
    return versions
