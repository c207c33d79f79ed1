"""Measuring a dose: dose-volume histograms, indices, goals, tables, the OpenKBP scores.

Imports only `DosePredictionLib.patient`; nothing here knows how a dose came about.
"""
