"""Standard output and standard error that take what a command says, whoever reads it or not."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path


def open_streams() -> None:
    """Streams that were closed (``2>&-``) swallow what is written, others write names in any encoding."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):
            # A name that the terminal's encoding lacks must not end the work on the other cases.
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def flushed_output() -> Iterator[None]:
    """What was printed is written out at the end of the block, where a pipe that nobody reads any more can be told.

    Raises:
        BrokenPipeError: it is one (``| head``); Python would tell it at its very end once more, which is kept from it.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # As the note on SIGPIPE in the documentation of Python's module signal has it.
        nothing = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(nothing, stream.fileno())
        os.close(nothing)
        raise


@contextmanager
def said_beside(document: Path | None) -> Iterator[None]:
    """What a command prints goes to standard error where its document goes to the standard output (``-o /dev/stdout``).

    Args:
        document: the file that the command writes; None for none.
    """
    with redirect_stdout(sys.stderr) if document is not None and _is_standard_output(document) else nullcontext():
        yield


def _is_standard_output(path: Path) -> bool:
    try:
        there, output = os.stat(path), os.fstat(1)
    except OSError:
        return False
    return os.path.samestat(there, output) and not os.path.samestat(there, os.stat(os.devnull))
