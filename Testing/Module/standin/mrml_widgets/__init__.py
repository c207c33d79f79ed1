"""Slicer's widgets on PySide6 and slicer-core's MRML. Importing this makes them known to `slicer` and to .ui files."""

from standin.mrml_widgets import node_combo_box, scene, segments, views

__all__ = ["node_combo_box", "scene", "segments", "views"]
