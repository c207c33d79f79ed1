"""Columns of the panel's tables: some of a fixed width, the rest share what is left; nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt


def fix_widths(table: Any, widths: Mapping[int, int]) -> None:
    """Give columns of a QTableWidget their width in pixels, and what is left to all others."""
    header = table.horizontalHeader()
    header.setMinimumSectionSize(min(widths.values()))
    for column in range(table.columnCount):
        if column in widths:
            header.setSectionResizeMode(column, qt.QHeaderView.Fixed)
            table.setColumnWidth(column, widths[column])
        else:
            header.setSectionResizeMode(column, qt.QHeaderView.Stretch)
