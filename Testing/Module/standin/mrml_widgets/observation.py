"""VTK events for widgets, as long as both live."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import shiboken6


class Observations:
    """What a widget observes. Ends with the widget, and keeps it from nothing."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, int]] = []

    def observe(self, observed: Any, event: Any, method: Callable[[], None]) -> None:
        """Call a method of a widget at an event; ``observed`` may be None."""
        if observed is None:
            return
        weak = weakref.WeakMethod(method)

        def notify(*_: Any) -> None:
            alive = weak()
            if alive is not None and shiboken6.isValid(alive.__self__):
                alive()

        self._tags.append((observed, observed.AddObserver(event, notify)))

    def end(self) -> None:
        """Observe nothing any more."""
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags.clear()
