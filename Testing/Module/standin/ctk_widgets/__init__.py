"""CTK's widgets on PySide6. Importing this makes them known to `ctk` and to .ui files."""

from standin.ctk_widgets import buttons, choices, collapsible, paths, ranges, sliders, spin_box, texts

__all__ = ["buttons", "choices", "collapsible", "paths", "ranges", "sliders", "spin_box", "texts"]
