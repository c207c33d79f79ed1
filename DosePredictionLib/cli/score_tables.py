"""``evaluate``'s scores.csv and summary.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from DosePredictionLib.csv_file import number_cell, write_csv
from DosePredictionLib.dosimetry.openkbp_score import CRITERION_NAMES, dvh_score
from DosePredictionLib.dosimetry.patient_scores import PatientScores
from DosePredictionLib.json_file import write_json
from DosePredictionLib.patient.openkbp_patient import OPENKBP_ORGANS

#: So many patients with the worst dose scores are described in the summary.
HARDEST = 5


def write_score_tables(
    scores: Sequence[PatientScores], settings: Mapping[str, Any], dataset: str, output: Path
) -> None:
    """Write scores.csv (a row a patient, then the means) and summary.json.

    The DVH score of the last row and of the summary is the challenge's, a mean over all criteria of all patients; the
    mean of the patients' own is in the summary, too.

    Args:
        scores: of one patient or more.
        settings: what else the summary says.
        dataset: its name.
        output: the folder.
    """
    everything = [s.differences for s in scores]
    by_criterion = {
        name: [values[name] for values in everything if not np.isnan(values[name])] for name in CRITERION_NAMES
    }
    gdp_hmm = any(one.gdp_hmm_mae is not None for one in scores)
    extra = ["gdp_hmm_mae_gy"] if gdp_hmm else []
    header = ["patient", "dose_score_gy", "dvh_score_gy", *CRITERION_NAMES, "seconds", *extra]
    rows = []
    for one in scores:
        cells = [number_cell(one.differences[name], ".4f") for name in CRITERION_NAMES]
        scored = [number_cell(score, ".6f") for score in (one.dose_score, one.dvh_score)]
        rows.append([one.identifier, *scored, *cells, number_cell(one.seconds, ".3f"),
                     *([_cell(one.gdp_hmm_mae)] if gdp_hmm else [])])  # fmt: skip
    means = [f"{np.mean(values):.4f}" if values else "" for values in by_criterion.values()]
    timed = [one.seconds for one in scores if not np.isnan(one.seconds)]
    rows.append(["mean", f"{np.mean([s.dose_score for s in scores]):.6f}",
                 number_cell(dvh_score(everything), ".6f"), *means, f"{np.mean(timed):.3f}" if timed else "",
                 *([_cell(mean_gdp_hmm(scores))] if gdp_hmm else [])])  # fmt: skip
    write_csv(output / "scores.csv", header, rows)
    organs = [{n: v for n, v in values.items() if n.split()[0] in OPENKBP_ORGANS} for values in everything]
    targets = [{n: v for n, v in values.items() if n.split()[0] not in OPENKBP_ORGANS} for values in everything]
    summary = {
        "dataset": dataset,
        "patients": len(scores),
        "dose_score_gy": round(float(np.mean([s.dose_score for s in scores])), 4),
        "dvh_score_gy": _known(dvh_score(everything)),
        "dvh_score_mean_of_patients_gy": _known(mean_of_patients(scores)),
        "dvh_score_organs_gy": _known(dvh_score(organs)),
        "dvh_score_targets_gy": _known(dvh_score(targets)),
        "criteria_gy": {name: round(float(np.mean(values)), 4) for name, values in by_criterion.items() if values},
        "hardest": [_in_words(one) for one in sorted(scores, key=lambda one: -one.dose_score)[:HARDEST]],
        **({"gdp_hmm_mae_gy": round(mean_error, 4)} if (mean_error := mean_gdp_hmm(scores)) is not None else {}),
        **settings,
    }
    write_json(output / "summary.json", summary)


def mean_of_patients(scores: Sequence[PatientScores]) -> float:
    """The mean of the patients' own DVH scores, Gy, as `significance` tests them; NaN where none has one.

    The challenge's score (`dvh_score`) is another: there each criterion counts, and not each patient.
    """
    known = [one.dvh_score for one in scores if not np.isnan(one.dvh_score)]
    return float(np.mean(known)) if known else math.nan


def mean_gdp_hmm(scores: Sequence[PatientScores]) -> float | None:
    """The GDP-HMM challenge's error, Gy, over its patients; None where there are none."""
    errors = [one.gdp_hmm_mae for one in scores if one.gdp_hmm_mae is not None]
    return float(np.mean(errors)) if errors else None


def _known(value: float) -> float | None:
    """A mean for the summary; None for one of nothing, as JSON has no NaN."""
    return None if np.isnan(value) else round(value, 4)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _in_words(scores: PatientScores) -> str:
    """One patient's scores and what may explain them."""
    present = {name: gy for name, gy in scores.differences.items() if not np.isnan(gy)}
    worst = max(present, key=lambda name: present[name]) if present else None
    return (f"{scores.identifier}: dose score {scores.dose_score:.2f} Gy, DVH score {scores.dvh_score:.2f} Gy"
            + (f", most off in {worst} ({present[worst]:.1f} Gy)" if worst else "") + f"; {scores.facts}")  # fmt: skip
