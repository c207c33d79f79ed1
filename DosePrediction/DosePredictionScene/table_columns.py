"""Filling table nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk


def set_columns(table_node: Any, columns: Mapping[str, Sequence[str] | np.ndarray]) -> None:
    """Replace all columns of a table node.

    Args:
        table_node: vtkMRMLTableNode; its first row becomes the header, and it is locked against editing.
        columns: texts or numbers by column name, all of the same length.
    """
    with slicer.util.NodeModify(table_node):
        table_node.SetLocked(False)
        table_node.RemoveAllColumns()
        for name, values in columns.items():
            table_node.AddColumn(_column(name, values))
        table_node.SetUseColumnTitleAsColumnHeader(True)
        table_node.SetLocked(True)
    table_node.GetTable().Modified()


def _column(name: str, values: Sequence[str] | np.ndarray) -> Any:
    if isinstance(values, np.ndarray):
        column = numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
    else:
        column = vtk.vtkStringArray()
        for value in values:
            column.InsertNextValue(value)
    column.SetName(name)
    return column
