"""What everything that is made here is for."""

from __future__ import annotations

INTENDED_USE = "Research use, not for clinical decisions."
