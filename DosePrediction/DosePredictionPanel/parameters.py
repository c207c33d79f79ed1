"""What the user chose, kept in a parameter node so that a saved scene brings it back. No Qt."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T", bool, int, float, str)


class Setting:
    """A value in the parameter node, as text. Its default's type is its type."""

    def __init__(self, default: bool | int | float | str) -> None:
        self.default = default
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        if owner is None:
            return self
        text = owner.node.GetParameter(self.name) if owner.node.GetParameter(self.name) is not None else ""
        if isinstance(self.default, str):
            return text or self.default
        if isinstance(self.default, bool):
            return text == "true" if text else self.default
        try:
            return type(self.default)(text) if text else self.default
        except ValueError:  # a scene edited by hand
            return self.default

    def __set__(self, owner: Any, value: Any) -> None:
        text = str(bool(value)).lower() if isinstance(self.default, bool) else str(type(self.default)(value))
        if owner.node.GetParameter(self.name) != text:
            owner.node.SetParameter(self.name, text)


class ChosenNode:
    """A node that the parameter node refers to."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, owner_class: Any = None) -> Any:
        return self if owner is None else owner.node.GetNodeReference(self.name)

    def __set__(self, owner: Any, chosen: Any) -> None:
        owner.node.SetNodeReferenceID(self.name, None if chosen is None else chosen.GetID())


class Parameters:
    """The panel's choices.

    Args:
        node: vtkMRMLScriptedModuleNode.
    """

    ct = ChosenNode()
    segmentation = ChosenNode()
    clinical_dose = ChosenNode()
    #: What the prediction is compared with instead of the clinical dose.
    compared = ChosenNode()

    fractions = Setting(0)
    technique = Setting("")
    site = Setting("")
    beam_angles = Setting("")
    goals = Setting("head-and-neck")
    goals_path = Setting("")
    #: A bundled scorecard's name, or a JSON file; empty for none.
    scorecard = Setting("")

    system = Setting("default")
    weights_path = Setting("")
    device = Setting("auto")
    samples = Setting(0)
    steps = Setting(0)
    seed = Setting(0)
    calibrate = Setting(False)

    overlay_shown = Setting(True)
    overlay = Setting("predicted")
    opacity = Setting(0.4)
    threshold_percent = Setting(10.0)
    difference_from_gy = Setting(1.0)
    isodoses_2d = Setting(True)
    isodoses_3d = Setting(False)
    isodose_unit = Setting("percent")
    isodose_levels = Setting("")
    window = Setting("")
    bands = Setting(False)
    #: Names of curves that the chart does not show, a line each.
    hidden_curves = Setting("")

    def __init__(self, node: Any) -> None:
        self.node = node
