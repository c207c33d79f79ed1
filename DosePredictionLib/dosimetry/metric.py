"""What a goal asks of a structure's dose: D95%, D0.03cc, V20Gy, Dmean, HI, CI ..."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from DosePredictionLib.dosimetry.dvh import Dvh
from DosePredictionLib.dosimetry.indices import conformity_index_paddick, homogeneity_index
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.structure import Structure
from DosePredictionLib.patient.volume import Volume

#: Percent of the prescription: the target's own, or for other structures the plan's highest.
PERCENT_OF_PRESCRIPTION = "%Rx"
#: Up to this volume a D_cc is the dose to a point (AAPM TG-101, 2010: 0.035 cc or less), so a limit from above on it is
#: one on the maximum.
POINT_CC = 0.035
#: The unit of the two indices, which have none.
NO_UNIT = ""


class MetricKind(Enum):
    """The families of metrics; the value is how they are written."""

    DOSE_AT_VOLUME = "D"
    VOLUME_AT_DOSE = "V"
    #: The highest dose in the coldest part ("dose complement").
    COMPLEMENT_DOSE = "DC"
    #: The volume below a dose ("complement volume"): what parallel organs keep.
    COMPLEMENT_VOLUME = "CV"
    MEAN_DOSE = "Dmean"
    MAXIMUM_DOSE = "Dmax"
    MINIMUM_DOSE = "Dmin"
    HOMOGENEITY = "HI"
    CONFORMITY = "CI"


_UNITS = {kind: ("Gy", PERCENT_OF_PRESCRIPTION) for kind in MetricKind} | {
    MetricKind.VOLUME_AT_DOSE: ("%", "cc"),
    MetricKind.COMPLEMENT_VOLUME: ("%", "cc"),
    MetricKind.HOMOGENEITY: (NO_UNIT,),
    MetricKind.CONFORMITY: (NO_UNIT,),
}
_WORDS = {kind.value.lower(): kind for kind in MetricKind if len(kind.value) > 1 and kind.value not in ("DC", "CV")}
_AMOUNT_UNITS = {"%": "%", "cc": "cc", "cm3": "cc", "gy": "Gy", "%rx": PERCENT_OF_PRESCRIPTION}
_BRACKET = re.compile(r"\[\s*(?P<unit>[^\]]*?)\s*\]$")
_AMOUNT = re.compile(
    r"(?P<letter>dc|cv|d|v)\s*(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>%\s*rx|%|cc|cm3|gy)?", re.IGNORECASE
)
_EXAMPLES = "D95%, D0.03cc, V20Gy, V20Gy[cc], V95%Rx, CV12.5Gy[cc], DC700cc, Dmean, Dmax, Dmin, HI, CI"


@dataclass(frozen=True)
class Metric:
    """One figure read from a structure's dose, and the unit it is given in.

    Attributes:
        kind: the family.
        unit: of the value: "Gy", "%Rx" (percent of the prescription), "%", "cc", or "" for the indices.
        amount: the volume of a D or DC, the dose of a V or CV; None for the others.
        amount_unit: "%" or "cc" for a D or DC, "Gy" or "%Rx" for a V or CV; "" for the others.
    """

    kind: MetricKind
    unit: str
    amount: float | None = None
    amount_unit: str = ""

    @classmethod
    def parse(cls, text: str, unit: str | None = None) -> Metric:
        """Read a metric in the notation of AAPM TG-263: ``D95%``, ``D0.03cc``, ``V20Gy``, ``V20Gy[cc]``, ``Dmean``.

        ``CV12.5Gy[cc]`` and ``DC700cc`` are the volume below a dose and the highest dose in the coldest volume (Mayo
        et al., Adv. Radiat. Oncol. 2, 2017, 503-514).

        Args:
            text: the metric; upper and lower case and spaces don't matter; the value's unit may follow in brackets.
            unit: the value's unit; None takes the one in brackets, else Gy for doses and % for volumes.

        Raises:
            InputError: the text is no metric, or the unit doesn't go with it.
        """
        bare = text.strip()
        bracket = _BRACKET.search(bare)
        if bracket:
            bare = bare[: bracket.start()].strip()
        kind, amount, amount_unit = _kind_and_amount(bare, text)
        in_brackets = _known_unit(bracket["unit"]) if bracket else None
        wanted = None if unit is None else _known_unit(unit)
        if wanted is not None and in_brackets is not None and wanted != in_brackets:
            raise InputError(f"Metric {text!r} says [{in_brackets}] but its unit is {unit!r}; make them the same.")
        chosen = wanted if wanted is not None else in_brackets
        allowed = _UNITS[kind]
        if chosen is None:
            chosen = allowed[0]
        if chosen not in allowed:
            choice = " or ".join(repr(a) for a in allowed)
            given = unit if unit is not None else in_brackets
            raise InputError(f"Metric {text!r} cannot be given in {given!r}; use {choice}.")
        return cls(kind, chosen, amount, amount_unit)

    @property
    def text(self) -> str:
        """The metric in its usual spelling, without the value's unit: ``D0.03cc``, ``V20Gy``, ``Dmean``."""
        amount = "" if self.amount is None else f"{self.amount:g}{self.amount_unit}"
        return f"{self.kind.value}{amount}"

    @property
    def needs_prescription(self) -> bool:
        """Whether there is no value without a prescribed dose."""
        return PERCENT_OF_PRESCRIPTION in (self.unit, self.amount_unit) or self.kind is MetricKind.CONFORMITY

    @property
    def is_maximum(self) -> bool:
        """Whether it is the maximum dose or, as D0.03cc, a point's dose that is read for it."""
        if self.kind is MetricKind.DOSE_AT_VOLUME and self.amount_unit == "cc":
            return (self.amount or 0.0) <= POINT_CC
        return self.kind is MetricKind.MAXIMUM_DOSE

    def as_upper_limit(self, volume_cc: float) -> Metric:
        """What a limit from above is held against in a structure of this volume.

        It is the metric itself but for a point's dose in a structure smaller than the point: D0.03cc is there the
        minimum, which says nothing of a maximum, so it is Dmax.
        """
        if self.is_maximum and (self.amount or 0.0) > volume_cc:
            return replace(self, kind=MetricKind.MAXIMUM_DOSE, amount=None, amount_unit="")
        return self

    def measure(self, dvh: Dvh, dose: Volume, structure: Structure, prescription_gy: float | None) -> float:
        """The metric's value in its unit; NaN for an empty structure and without a prescription that it needs.

        Args:
            dvh: of ``dose`` in ``structure``.
            dose: Gy.
            structure: whose figure this is.
            prescription_gy: the dose that percentages refer to; None when there is none.
        """
        if self.needs_prescription and not prescription_gy:
            return float("nan")
        prescribed = prescription_gy or float("nan")
        if self.kind is MetricKind.HOMOGENEITY:
            return homogeneity_index(dvh)
        if self.kind is MetricKind.CONFORMITY:
            return conformity_index_paddick(dose, structure, prescribed, dvh=dvh)
        if self.kind in (MetricKind.VOLUME_AT_DOSE, MetricKind.COMPLEMENT_VOLUME):
            amount = self.amount or 0.0
            threshold = amount if self.amount_unit == "Gy" else amount * prescribed / 100.0
            if self.kind is MetricKind.COMPLEMENT_VOLUME:
                cold_cc, cold_percent = dvh.complement_volume_cc(threshold), dvh.complement_volume_percent(threshold)
                return cold_cc if self.unit == "cc" else cold_percent
            return dvh.volume_at_dose_cc(threshold) if self.unit == "cc" else dvh.volume_at_dose_percent(threshold)
        value = self._dose_gy(dvh)
        return value if self.unit == "Gy" else 100.0 * value / prescribed

    def _dose_gy(self, dvh: Dvh) -> float:
        if self.kind is MetricKind.MEAN_DOSE:
            return dvh.mean_gy
        if self.kind is MetricKind.MAXIMUM_DOSE:
            return dvh.max_gy
        if self.kind is MetricKind.MINIMUM_DOSE:
            return dvh.min_gy
        amount = self.amount or 0.0
        if self.kind is MetricKind.COMPLEMENT_DOSE:
            in_cc = self.amount_unit == "cc"
            return dvh.complement_dose_cc(amount) if in_cc else dvh.complement_dose_percent(amount)
        return dvh.dose_at_volume_cc(amount) if self.amount_unit == "cc" else dvh.dose_at_volume_percent(amount)


def _kind_and_amount(bare: str, text: str) -> tuple[MetricKind, float | None, str]:
    word = _WORDS.get(bare.lower())
    if word is not None:
        return word, None, ""
    match = _AMOUNT.fullmatch(bare)
    if match is None:
        raise InputError(f"Metric {text!r} is not known; write it like one of {_EXAMPLES}.")
    letter, number = match["letter"].upper(), match["number"]
    unit = _AMOUNT_UNITS[re.sub(r"\s", "", match["unit"] or "").lower()] if match["unit"] else None
    expected = ("%", "cc") if letter in ("D", "DC") else ("Gy", PERCENT_OF_PRESCRIPTION)
    if unit not in expected:
        choice = " or ".join(f"{letter}{number}{e}" for e in expected)
        raise InputError(f"Metric {text!r} does not say what {number} is; write {choice}.")
    amount = float(number)
    if unit == "%" and amount > 100.0:
        raise InputError(f"Metric {text!r} asks for more than the whole structure; use a volume up to 100%.")
    return MetricKind(letter), amount, unit


def _known_unit(unit: str) -> str:
    """The unit as this library spells it; an unknown one stays as it is, and is then refused by its own name."""
    return _AMOUNT_UNITS.get(re.sub(r"\s", "", unit).lower(), unit)
