"""CTK's and Slicer's widgets of the stand-in behave as the real ones do, as far as a panel can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from DosePredictionScene.self_test import phantom_nodes
from phantom_scene import segmentation_node, volume_node
from standin import gestures
from standin.session import Standin

pytestmark = pytest.mark.usefixtures("standin")


@pytest.fixture
def slicer(standin: Standin) -> Any:
    import slicer

    return slicer


def heard(widget: Any, signal: str) -> list[Any]:
    """What a signal says from now on."""
    said: list[Any] = []
    widget.connect(signal, lambda value=None: said.append(value))
    return said


# CTK


def test_a_collapsed_section_hides_its_children_but_keeps_what_was_hidden(slicer: Any) -> None:
    import ctk
    import qt

    section = ctk.ctkCollapsibleButton("Results")
    layout = qt.QVBoxLayout(section)
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.visible = False
    section.show()
    said = heard(section, "contentsCollapsed(bool)")
    gestures.click(section)
    assert section.collapsed and not shown.visible and said == [True]
    late = qt.QLabel("late")
    layout.addWidget(late)
    late.visible = True
    assert not late.visible, "shown to a collapsed section"
    section.collapsed = False
    slicer.app.processEvents()
    assert shown.visible and late.visible and not hidden.visible


def test_a_slider_widget_is_one_value(slicer: Any) -> None:
    import ctk

    slider = ctk.ctkSliderWidget()
    slider.maximum, slider.singleStep, slider.decimals = 80.0, 0.5, 1
    said = heard(slider, "valueChanged(double)")
    slider.value = 70
    slider.value = 70
    slider.value = 100
    assert said == [70.0, 80.0] and slider.value == 80.0
    slider.show()
    gestures.type_into(slider, "60")
    assert slider.value == 60.0 and said[-1] == 60.0
    with pytest.raises(AttributeError):
        slider.setMaximum(70)  # not a slot: the property only


def test_a_range_keeps_its_order(slicer: Any) -> None:
    import ctk

    chosen = ctk.ctkRangeWidget()
    chosen.setRange(0, 70)
    chosen.setValues(60, 10)
    assert (chosen.minimumValue, chosen.maximumValue) == (10.0, 60.0)
    chosen.minimumValue = 65
    assert (chosen.minimumValue, chosen.maximumValue) == (60.0, 60.0)


def test_a_path_is_typed_or_browsed_to(standin: Standin, tmp_path: Any) -> None:
    import ctk

    goals = tmp_path / "goals.json"
    goals.write_text("{}")
    line = ctk.ctkPathLineEdit()
    line.filters, line.nameFilters = line.Files | line.Readable, ["Planning goals (*.json)"]
    paths, valid = heard(line, "currentPathChanged(QString)"), heard(line, "validInputChanged(bool)")
    standin.dialogs.answer(str(goals))
    line.browse()
    assert line.currentPath == str(goals) == paths[-1] and valid == [True]
    line.currentPath = ""
    assert valid == [True, False] and paths == [str(goals)], "a path that is cleared is none to tell"
    line.currentPath = str(tmp_path / "missing.json")
    assert valid == [True, False, True] and paths[-1].endswith("missing.json"), "whether it is there, is not asked"
    standin.dialogs.answer(None)
    line.browse()
    assert line.currentPath.endswith("missing.json"), "cancelled"


def test_a_checkable_combo_box_tells_what_is_checked(slicer: Any) -> None:
    import ctk
    import qt

    box = ctk.ctkCheckableComboBox()
    box.addItems(["PTV70", "SpinalCord"])
    said = heard(box, "checkedIndexesChanged()")
    box.setCheckState(box.model().index(1, 0), qt.Qt.Checked)
    assert [index.row() for index in box.checkedIndexes()] == [1] and len(said) == 1
    assert not box.allChecked() and not box.noneChecked()


def test_a_signal_that_a_stand_in_never_emits_is_not_connected(slicer: Any) -> None:
    import ctk

    with pytest.raises(NotImplementedError, match="decimalsChanged"):
        ctk.ctkDoubleSpinBox().connect("decimalsChanged(int)", print)
    with pytest.raises(NotImplementedError, match="insertRow"):
        slicer.qMRMLTableView().insertRow()
    with pytest.raises(NotImplementedError, match="sortFilterProxyModel"):
        slicer.qMRMLNodeComboBox().sortFilterProxyModel()


# Choosing nodes


def volume_selector(slicer: Any, **properties: bool) -> Any:
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    for name, value in properties.items():
        setattr(selector, name, value)
    return selector


def new_volume(slicer: Any, name: str) -> Any:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def test_a_selector_follows_the_scene(slicer: Any) -> None:
    selector = volume_selector(slicer, noneEnabled=True, addEnabled=False, removeEnabled=False)
    assert not selector.enabled and selector.currentNode() is None
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.enabled
    nodes, valid = heard(selector, "currentNodeChanged(vtkMRMLNode*)"), heard(selector, "currentNodeChanged(bool)")
    first, second = new_volume(slicer, "CT"), new_volume(slicer, "PET")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "Bone")
    assert selector.nodeCount() == 2 and selector.currentNode() is None and nodes == []
    selector.setCurrentNode(second)
    assert nodes == [second] and valid == [True] and selector.currentNodeID == second.GetID()
    slicer.mrmlScene.RemoveNode(second)
    assert nodes == [second, first] and valid == [True, True], "the one before takes its place, as in Qt"
    slicer.mrmlScene.Clear(False)
    assert nodes[-1] is None and selector.nodeCount() == 0


def test_renaming_the_current_node_is_a_change_as_in_slicer(slicer: Any) -> None:
    node = new_volume(slicer, "CT")
    selector = volume_selector(slicer)
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.currentNode() is node, "the first one is chosen where None is not allowed"
    said = heard(selector, "currentNodeChanged(vtkMRMLNode*)")
    node.SetName("Planning CT")
    assert said == [node]


def test_a_selector_filters_by_type_attribute_and_visibility(slicer: Any) -> None:
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    ct, dose, hidden = (new_volume(slicer, name) for name in ("CT", "Dose", "Hidden"))
    dose.SetAttribute("DicomRtImport.DoseVolume", "1")
    hidden.SetHideFromEditors(True)
    selector = volume_selector(slicer, noneEnabled=True)
    selector.setMRMLScene(slicer.mrmlScene)

    def listed() -> list[Any]:
        return [selector.nodeFromIndex(index) for index in range(selector.nodeCount())]

    assert listed() == [labels, ct, dose], "a label map is a scalar volume"
    selector.showChildNodeTypes = False
    assert listed() == [ct, dose]
    selector.showHidden = True
    assert listed() == [ct, dose, hidden]
    selector.addAttribute("vtkMRMLScalarVolumeNode", "DicomRtImport.DoseVolume", "1")
    assert listed() == [dose]
    ct.SetAttribute("DicomRtImport.DoseVolume", "1")
    assert listed() == [ct, dose]


def test_a_node_asked_for_before_the_scene_is_chosen_with_it(slicer: Any) -> None:
    new_volume(slicer, "CT")
    dose = new_volume(slicer, "Dose")
    selector = volume_selector(slicer, noneEnabled=True)
    selector.setCurrentNode(dose)
    assert selector.currentNode() is None
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.currentNode() is dose


def test_the_user_chooses_makes_and_renames_nodes(standin: Standin, slicer: Any) -> None:
    ct, pet = new_volume(slicer, "CT"), new_volume(slicer, "PET")
    selector = volume_selector(slicer, noneEnabled=True, renameEnabled=True)
    selector.baseName = "Made"
    selector.setMRMLScene(slicer.mrmlScene)
    selector.show()
    activated, made = heard(selector, "nodeActivated(vtkMRMLNode*)"), heard(selector, "nodeAddedByUser(vtkMRMLNode*)")
    gestures.choose(selector, pet)
    assert selector.currentNode() is pet and activated == [pet]
    gestures.choose_action(selector, "Create new Volume")
    assert selector.currentNode().GetName() == "Made" and made == [selector.currentNode()]
    gestures.choose(selector, ct)
    standin.dialogs.answer("Planning CT")
    gestures.choose_action(selector, "Rename current Volume")
    assert ct.GetName() == "Planning CT"
    gestures.choose(selector, None)
    assert selector.currentNode() is None


def test_a_widget_that_is_gone_observes_nothing(standin: Standin, slicer: Any) -> None:
    selector = volume_selector(slicer)
    selector.setMRMLScene(slicer.mrmlScene)
    selector.deleteLater()
    standin.process_events()
    with pytest.raises(RuntimeError, match="deleted"):
        selector.currentNode()
    new_volume(slicer, "CT")


# Segments


def test_the_segments_table_shows_a_segmentation_and_follows_it(slicer: Any) -> None:
    _, segmentation = phantom_nodes()
    table = slicer.qMRMLSegmentsTableView()
    table.setMRMLScene(slicer.mrmlScene)
    table.setSegmentationNode(segmentation)
    ids = list(segmentation.GetSegmentation().GetSegmentIDs())
    assert table.displayedSegmentIDs() == ids and table.segmentCount == 3
    table.setSelectedSegmentIDs(ids[1:])
    segmentation.GetSegmentation().GetSegment(ids[1]).SetName("PTV 70 Gy")
    assert table.tableWidget().item(1, 3).text() == "PTV 70 Gy" and table.selectedSegmentIDs() == ids[1:]
    segmentation.GetSegmentation().RemoveSegment(ids[1])
    assert table.displayedSegmentIDs() == [ids[0], ids[2]] and table.selectedSegmentIDs() == [ids[2]]
    table.setSegmentationNode(None)
    assert table.segmentCount == 0


def test_a_segment_is_chosen_with_its_segmentation(slicer: Any) -> None:
    _, segmentation = phantom_nodes()
    first, second, _ = segmentation.GetSegmentation().GetSegmentIDs()
    selector = slicer.qMRMLSegmentSelectorWidget()
    selector.setMRMLScene(slicer.mrmlScene)
    assert selector.currentNode() is segmentation and selector.currentSegmentID() == first
    said = heard(selector, "currentSegmentChanged(QString)")
    selector.setCurrentSegmentID(second)
    assert said == [second]
    segmentation.GetSegmentation().RemoveSegment(second)
    assert selector.currentSegmentID() == first


# Tables and charts


def test_a_table_view_shows_a_table_node_and_follows_it(slicer: Any) -> None:
    import qt

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Goals")
    slicer.util.updateTableFromArray(node, np.array([[1.5, 2.0], [3.0, 4.0]]), ["Limit", "Value"])
    view = slicer.qMRMLTableView()
    view.setMRMLTableNode(node)
    model = view.model()
    assert (model.rowCount(), model.columnCount()) == (2, 2)
    assert model.headerData(1, qt.Qt.Horizontal) == "Value" and float(model.index(0, 0).data()) == 1.5
    said = heard(view, "selectionChanged()")
    view.show()
    gestures.click_cell(view, 1, 0)
    assert said == [None]
    slicer.util.updateTableFromArray(node, np.array([[9.0], [8.0], [7.0]]), ["Limit"])
    node.Modified()
    assert (model.rowCount(), model.columnCount()) == (3, 1)


def test_a_masked_ct_is_in_both_selectors(slicer: Any) -> None:
    ct = volume_node(np.zeros((4, 5, 6), np.int16))
    segmentation = segmentation_node(ct, {"BODY": np.ones((4, 5, 6), bool)})
    selectors = {}
    for node_type in ("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"):
        selectors[node_type] = slicer.qMRMLNodeComboBox()
        selectors[node_type].nodeTypes = [node_type]
        selectors[node_type].setMRMLScene(slicer.mrmlScene)
    assert selectors["vtkMRMLScalarVolumeNode"].currentNode() is ct
    assert selectors["vtkMRMLSegmentationNode"].currentNode() is segmentation
