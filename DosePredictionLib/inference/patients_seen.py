"""Whom weights were trained on, as a weights file's header says it: digests of patients, no names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from DosePredictionLib.patient.patient_digest import DOSE_PREFIX

#: Key of the digests in a weights header's ``training`` and in a checkpoint.
DIGESTS = "patient_digests"
#: Key that says, with ``false``, that the weights were trained on others, too, who are not in the list.
COMPLETE = "patient_digests_complete"
#: Key in a weights header's ``validation`` and in evaluate's summary: so many of the scored patients were trained on.
PATIENTS_TRAINED_ON = "patients_trained_on"


@dataclass(frozen=True)
class PatientsSeen:
    """The training patients of a run, of its earlier parts, and of the weights that it started from.

    In a weights header's ``training`` (and in a checkpoint) this is ``"patient_digests": ["0a1b2c3d", ...]``, sorted,
    one a patient (`patient_digest`), and ``"patient_digests_complete": false`` where others were trained on whom
    nothing is known of: an earlier part of the run, or the weights that it started from, are from before such lists.

    Attributes:
        digests: of the known ones.
        complete: there were no others. Only then does a patient's absence from the digests mean that it is new.
    """

    digests: frozenset[str] = frozenset()
    complete: bool = True

    @classmethod
    def of(cls, digests: Iterable[str]) -> PatientsSeen:
        """Of patients with these digests; an empty one is of a patient whose digest isn't known."""
        told = list(digests)
        return cls(frozenset(told) - {""}, "" not in told)

    @classmethod
    def of_header(cls, training: Mapping[str, object]) -> PatientsSeen:
        """As `WeightsHeader.training` or a checkpoint says it; without a list, nothing is known."""
        told = training.get(DIGESTS)
        if not isinstance(told, list | tuple):
            return cls(complete=False)
        return cls(frozenset(str(one) for one in told), training.get(COMPLETE, True) is True)

    def with_others(self, others: PatientsSeen) -> PatientsSeen:
        """These and others together."""
        return PatientsSeen(self.digests | others.digests, self.complete and others.complete)

    def knows(self, digest: str | None) -> bool | None:
        """Whether a patient was trained on; None where that can't be told.

        Args:
            digest: of `patient_digest`; None (or empty) when the patient has none.
        """
        if digest and digest in self.digests:
            return True
        # A dose that was rounded elsewhere may give another digest: that it is not among them says nothing.
        return False if digest and self.complete and not digest.startswith(DOSE_PREFIX) else None

    def to_header(self) -> dict[str, object]:
        """The entries of a weights header's ``training`` or of a checkpoint."""
        told: dict[str, object] = {DIGESTS: sorted(self.digests)}
        return told if self.complete else {**told, COMPLETE: False}
