"""Pieces of HTML. Everything that comes from data is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Raw:
    """Markup of our own that is not escaped any more."""

    html: str


Cell = str | Raw


def text_of(cell: Cell) -> str:
    """A cell's markup: escaped, unless it is our own already."""
    return cell.html if isinstance(cell, Raw) else escape(cell)


def given(name: str) -> Raw:
    """A name that the user gave, for a heading: it breaks anywhere where it is too long for its column."""
    return Raw(f'<span class="given">{escape(name)}</span>')


def table(headings: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, numbers_from: int = 1, caption: str = "") -> str:
    """A table whose columns from ``numbers_from`` on are set to the right."""

    def line(cells: Sequence[Cell], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=number' if column >= numbers_from else ''}>{text_of(cell)}</{tag}>"
            for column, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    titled = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{titled}<thead><tr>{line(headings, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def section(title: str, *content: str, note: str = "", css: str = "") -> str:
    """A section with its heading, and a note in small print."""
    small = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section class="{css}"><h2>{escape(title)}</h2>{"".join(content)}{small}</section>'


def number(value: float, decimals: int = 1, *, signed: bool = False) -> str:
    """A figure with a true minus sign; a dash for none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    if float(text) == 0.0:
        text = f"{0.0:.{decimals}f}"
    return text.replace("-", "−")
