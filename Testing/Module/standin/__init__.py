"""Slicer's `qt`, `ctk`, widgets and application on PySide6 and slicer-core, so that the module's panel runs in tests.

It proves logic, wiring and names, by PythonQt's rules and a list of names read off the sources. It does not prove that
the module loads in Slicer. Nothing of it is for use outside tests.

    pythonqt/       PythonQt's rules on PySide6: properties, signals, attributes, .ui files
    ctk_widgets/    CTK's widgets
    mrml_widgets/   Slicer's widgets on real MRML nodes
    application/    slicer.app, its managers, ScriptedLoadableModule, packaging, Sample Data
    session.py      puts all that in place for a test; fixtures.py for pytest
"""
