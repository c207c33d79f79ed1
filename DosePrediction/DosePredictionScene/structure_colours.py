"""Colours of structures, the same as in the report."""

from DosePredictionLib.report.structure_colours import Colour, structure_colours

__all__ = ["Colour", "structure_colours"]
