"""The devices of this computer, found without torch. No Qt."""

from __future__ import annotations

import platform
import shutil
import subprocess

from slicer.i18n import tr as _

ASK_S = 5.0
#: No console window flashes up; the name exists on Windows only.
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


def device_choices() -> dict[str, str]:
    """Texts for people by device name; GPUs with their name and free memory. Takes up to seconds: call in a thread."""
    choices = {"auto": _("Automatic"), "cpu": _("Processor (CPU)")}
    for index, (name, free) in enumerate(_nvidia_gpus()):
        choices[f"cuda:{index}" if index else "cuda"] = _("{gpu}, {free} free").format(gpu=name, free=free)
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        choices["mps"] = _("Apple GPU")
    return choices


def _nvidia_gpus() -> list[tuple[str, str]]:
    """Name and free memory of each NVIDIA GPU, as the driver's own program tells them."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_S, check=True, creationflags=_NO_WINDOW
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_gpus(told)


def read_gpus(told: str) -> list[tuple[str, str]]:
    """Name and free memory from lines such as ``NVIDIA RTX A4000, 15000``."""
    gpus = []
    for line in told.splitlines():
        name, _comma, free = line.rpartition(",")
        if name and free.strip().isdigit():
            gpus.append((name.strip(), f"{int(free) / 1024:.1f} GiB"))
        elif name:
            gpus.append((name.strip(), _("memory unknown")))
    return gpus
