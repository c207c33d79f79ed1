"""Isodose levels and their colours, the same as in the report."""

from DosePredictionLib.report.isodose_scale import LEVELS, IsodoseScale

__all__ = ["LEVELS", "IsodoseScale"]
