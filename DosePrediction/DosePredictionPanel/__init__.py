"""The panel's parts, one section a file. Qt and MRML; no torch. What needs no Qt stands in files without it."""
