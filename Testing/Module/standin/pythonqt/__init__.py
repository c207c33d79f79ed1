"""PythonQt's rules on PySide6.

What PythonQt does (see its PythonQtInstanceWrapper, PythonQtClassInfo, PythonQtSignalReceiver, PythonQtStdDecorators),
done to PySide6's classes in place, so that objects made by Qt itself follow the rules too.
"""
