"""The name by which the DICOM objects that this library wrote are known."""

from __future__ import annotations

#: Manufacturer (0008,0070), and the model and software beside it.
MANUFACTURER = "DosePrediction"
