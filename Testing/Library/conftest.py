"""What this folder's tests share, and need to know of the machine."""

from __future__ import annotations

import sys

from worker_thread import worker_thread  # noqa: F401

#: pymedphys has no release for Python 3.13 yet; there the product says so instead of looking at gamma, which
#: test_comparison.py holds.
collect_ignore = ["test_gamma.py"] if sys.version_info >= (3, 13) else []
