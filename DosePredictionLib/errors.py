"""The one exception type for everything a user can cause and mend."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence that says what is wrong, where, and what to do about it. The command line prints it and
    exits with code 2; the worker sends it as a message; the panel shows it.
    """
