"""Nodes that belong to another node: found again by a reference, so that a second prediction updates the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import slicer


def owned_node(
    owner: Any, role: str, class_name: str, name: str, *, attributes: Mapping[str, str] | None = None
) -> Any:
    """The node that ``owner`` references in ``role``; made and referenced when there is none.

    Args:
        owner: any node of the scene.
        role: node reference role.
        class_name: MRML class of a node to make.
        name: of a node to make.
        attributes: of a node to make. They are set before the scene sees it, when it is decided who handles it.
    """
    node = owner.GetNodeReference(role)
    if node is not None and node.IsA(class_name):
        return node
    node = new_node(owner, class_name, name, attributes=attributes)
    owner.SetNodeReferenceID(role, node.GetID())
    return node


def new_node(owner: Any, class_name: str, name: str, *, attributes: Mapping[str, str] | None = None) -> Any:
    """A new node in the scene that comes and goes by undo together with its owner."""
    node = slicer.mrmlScene.CreateNodeByClass(class_name)
    node.UnRegister(None)  # Python holds it now
    node.SetName(name)
    for key, value in (attributes or {}).items():
        node.SetAttribute(key, value)
    undone_with(owner, node)
    return slicer.mrmlScene.AddNode(node)


def undone_with(owner: Any, node: Any) -> None:
    """Let undo treat a node as it treats its owner: half a prediction undone would leave orphans."""
    node.SetUndoEnabled(owner.GetUndoEnabled())


def default_display_node(node: Any) -> Any:
    """A displayable node's display node, made when there is none.

    Its colour legend is among its display nodes, too, and the first one where the user has deleted the other. Slicer
    would put the new one in the legend's place and leave the legend without a node.
    """
    while node.GetDisplayNode() is not None and node.GetDisplayNode().IsA("vtkMRMLColorLegendDisplayNode"):
        slicer.mrmlScene.RemoveNode(node.GetDisplayNode())
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        undone_with(node, node.GetDisplayNode())
    return node.GetDisplayNode()


def remove_owned(owner: Any, role: str) -> None:
    """Remove the node in ``role``, its display and storage nodes, from the scene."""
    node = owner.GetNodeReference(role)
    owner.RemoveNodeReferenceIDs(role)
    remove_node(node)


def remove_node(node: Any) -> None:
    """Remove a node with its display and storage nodes from the scene."""
    if node is None:
        return
    dependents = []
    if node.IsA("vtkMRMLDisplayableNode"):
        dependents += [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        dependents += [node.GetNthStorageNode(i) for i in range(node.GetNumberOfStorageNodes())]
    slicer.mrmlScene.RemoveNode(node)
    for dependent in dependents:
        if dependent is not None and slicer.mrmlScene.IsNodePresent(dependent):
            slicer.mrmlScene.RemoveNode(dependent)
