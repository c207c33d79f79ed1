"""Texts for people go through ``_()``; the lint finds those that don't."""

from __future__ import annotations

from lint_translations import findings, in_python, in_ui, panel_files


def test_every_text_in_the_panel_can_be_translated() -> None:
    assert findings(panel_files()) == []


def test_the_lint_finds_what_is_not_translated() -> None:
    source = (
        '"""A docstring with words."""\n'
        'label.text = _("Choose the CT.")\n'
        'label.text = "Choose the CT."\n'
        'button.text = "Cancel"\n'
        'tell(f"The dose of {name} is missing.")\n'
        'button.connect("clicked(bool)", f)\n'
        'node.GetAttribute("DosePrediction.Role")\n'
    )
    assert [finding.partition(":")[0] for finding in in_python(source)] == ["3", "4", "5", "5"]


def test_the_lint_finds_texts_that_qt_would_not_translate() -> None:
    ui = (
        '<ui><property name="text"><string notr="true">Predict</string></property>'
        '<property name="text"><string>Cancel</string></property>'
        '<property name="nodeTypes"><stringlist><string>vtkMRMLNode</string></stringlist></property></ui>'
    )
    assert len(in_ui(ui)) == 2
