"""Dialogs answered by the test: they never wait for a user.

A message with one button, or a window without any, is closed at once; all else needs an answer: `Dialogs.answer`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtGui, QtWidgets

from standin.pythonqt.classes import forget_single_shots

QMessageBox = QtWidgets.QMessageBox
Answer = Any
#: Static functions that ask for files: what they give where the user cancels.
FILE_QUESTIONS = {
    "getOpenFileName": "", "getOpenFileNames": [], "getSaveFileName": "", "getExistingDirectory": "",
}  # fmt: skip
INPUT_QUESTIONS = {"getText": "", "getMultiLineText": "", "getItem": "", "getInt": 0, "getDouble": 0.0}


class UnexpectedDialog(AssertionError):
    """A dialog that the test had no answer for."""


@dataclass(frozen=True)
class ShownDialog:
    """A dialog that was shown.

    Attributes:
        kind: class of the dialog, or the function that asks, such as "getOpenFileName".
        buttons: the texts of its buttons.
    """

    kind: str
    title: str = ""
    text: str = ""
    details: str = ""
    buttons: tuple[str, ...] = ()
    answer: Answer = None


class Dialogs:
    """What was shown, in order, and what is answered next."""

    def __init__(self) -> None:
        self.shown: list[ShownDialog] = []
        self._answers: deque[Answer] = deque()

    def answer(self, *answers: Answer) -> None:
        """Queue answers: a button (``qt.QMessageBox.Ok``), a path or text, None to cancel, or a function.

        A function gets the dialog, shown, clicks in it, and may return the answer.
        """
        self._answers.extend(answers)

    @property
    def texts(self) -> list[str]:
        """The texts that were shown."""
        return [dialog.text for dialog in self.shown]

    def unused(self) -> list[Answer]:
        """Answers that nothing asked for."""
        return list(self._answers)

    def clear(self) -> None:
        """Forget all."""
        self.shown.clear()
        self._answers.clear()

    def ask(self, kind: str, title: str, text: str, cancelled: Answer) -> Answer:
        """The next answer, to a question that has no dialog object."""
        if not self._answers:
            raise UnexpectedDialog(f"{kind} was asked and the test has no answer: {title} {text}")
        given = self._answers.popleft()
        answer = cancelled if given is None else given
        self.shown.append(ShownDialog(kind, title, text, answer=answer))
        return answer

    def run(self, dialog: Any) -> int:
        """Answer a dialog."""
        box = isinstance(dialog, QMessageBox)
        if box and not dialog.buttons():
            dialog.setStandardButtons(QMessageBox.StandardButton.Ok)
        buttons = dialog.buttons() if box else dialog.findChildren(QtWidgets.QAbstractButton)
        buttons = [button for button in buttons if button.text not in ("Show Details...", "Hide Details...")]
        texts = tuple(button.text.replace("&", "") for button in buttons)
        title, text = dialog.windowTitle.strip(), _text_of(dialog)
        details = dialog.detailedText if box else ""
        kind = dialog.className()
        if self._answers and (len(buttons) > 1 or callable(self._answers[0])):
            answer = self._answers.popleft()
        elif len(buttons) <= 1:
            forget_single_shots(dialog)  # it would close itself after a while, and has no time to
            answer = dialog.standardButton(buttons[0]) if box else QtWidgets.QDialog.DialogCode.Accepted
        else:
            raise UnexpectedDialog(f"{kind} was shown and the test has no answer: {title}: {text} {texts}")
        if callable(answer):
            dialog.show()
            given = answer(dialog)
            answer = dialog.result() if given is None else given
            dialog.hide()
        answer = _cancelled(dialog) if answer is None else answer
        self.shown.append(ShownDialog(kind, title, text, details, texts, answer))
        if box:
            _press(dialog, answer)
        return int(answer)


def _text_of(dialog: Any) -> str:
    if isinstance(dialog, QMessageBox):
        return f"{dialog.text}\n{dialog.informativeText}".strip()
    return "\n".join(label.text for label in dialog.findChildren(QtWidgets.QLabel))


def _cancelled(dialog: Any) -> int:
    if isinstance(dialog, QMessageBox):
        cancel = QMessageBox.StandardButton.Cancel | QMessageBox.StandardButton.No | QMessageBox.StandardButton.Close
        return int(next(b for b in map(dialog.standardButton, dialog.buttons()) if b & cancel))
    return int(QtWidgets.QDialog.DialogCode.Rejected)


def _press(box: Any, answer: int) -> None:
    """Let the message box know, so that it can be asked which button was clicked."""
    button = next((b for b in box.buttons() if box.standardButton(b) == answer), None)
    if button is None:
        raise UnexpectedDialog(f"the message box has no button for the answer {answer}: {box.text}")
    button.click()


def answer_all(dialogs: Dialogs) -> None:
    """Have every dialog answered by the test, for good."""

    def run(self: Any, *_: Any) -> int:
        return dialogs.run(self)

    for cls in (QtWidgets.QDialog, QMessageBox, QtWidgets.QFileDialog, QtWidgets.QInputDialog, QtWidgets.QColorDialog):
        cls.exec = cls.exec_ = run
    for name, icon in (("information", "Information"), ("warning", "Warning"), ("critical", "Critical")):
        setattr(QMessageBox, name, staticmethod(_message(dialogs, icon, QMessageBox.StandardButton.Ok)))
    both = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
    QMessageBox.question = staticmethod(_message(dialogs, "Question", both))
    for name, cancelled in FILE_QUESTIONS.items():
        setattr(QtWidgets.QFileDialog, name, staticmethod(_question(dialogs, name, cancelled)))
    for name, cancelled in INPUT_QUESTIONS.items():
        setattr(QtWidgets.QInputDialog, name, staticmethod(_question(dialogs, name, cancelled)))

    def colour(initial: Any = None, parent: Any = None, title: str = "", options: Any = None) -> Any:
        return QtGui.QColor(dialogs.ask("getColor", title, "", QtGui.QColor()))

    QtWidgets.QColorDialog.getColor = staticmethod(colour)

    def menu(self: Any, *_: Any) -> Any:
        chosen = dialogs.ask("QMenu", self.title, ", ".join(action.text for action in self.actions()), "")
        action = next((action for action in self.actions() if action.text == chosen), None)
        if action is not None:
            action.trigger()
        return action

    QtWidgets.QMenu.exec = QtWidgets.QMenu.exec_ = menu


def _message(dialogs: Dialogs, icon: str, default: Any) -> Callable[..., int]:
    def show(parent: Any, title: str, text: str, buttons: Any = default, default_button: Any = None) -> int:
        box = QMessageBox(parent)
        box.windowTitle, box.text = title, text
        box.setIcon(getattr(QMessageBox.Icon, icon))
        box.setStandardButtons(buttons)
        return dialogs.run(box)

    return show


def _question(dialogs: Dialogs, name: str, cancelled: Answer) -> Callable[..., Answer]:
    """As in PythonQt, the answer alone: neither the chosen filter nor whether it was accepted."""

    def ask(parent: Any = None, title: str = "", *details: Any) -> Answer:
        return dialogs.ask(name, title, " ".join(str(detail) for detail in details), cancelled)

    return ask
