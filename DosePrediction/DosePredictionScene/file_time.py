"""Whether a file is still the one that something was made with: a name alone doesn't tell."""

from __future__ import annotations

from pathlib import Path


def file_time(path: str | Path) -> str:
    """When a file was changed last, in ns; "" where there is none."""
    try:
        return str(Path(path).stat().st_mtime_ns)
    except OSError:
        return ""
