"""What codecs lose, measured by the script that the benchmarks name."""

from __future__ import annotations

import csv
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ball_case import ball_case
from published_backbones import (
    MAISI_AUTOENCODER,
    maisi_folder,
    wan_folder,
)

from DosePredictionLib.conditioning.padding import centred_offset, window
from DosePredictionLib.networks.backbone_config import backbone_config
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.training.case_cache import training_case

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"


@pytest.fixture(scope="module")
def codec_error():
    spec = importlib.util.spec_from_file_location("codec_error", BENCHMARKS / "codec_error.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["codec_error"] = module  # data classes look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["codec_error"]


def test_the_cosine_codec_keeps_the_sample_patients_dose_and_blurs_the_rest(codec_error, tmp_path, monkeypatch, capsys):
    from scipy.fft import dctn, idctn

    seen = []
    monkeypatch.setattr(codec_error, "training_case", lambda *told: seen.append(training_case(*told)) or seen[0])
    sample = resource_path("SampleData") / "openkbp-pt_236"
    table = tmp_path / "error.csv"
    assert codec_error.main([str(sample), "--device", "cpu", "-o", str(table)]) == 0
    assert "stride (8, 8, 8)" in capsys.readouterr().out
    with table.open() as file:
        rows = {row["channel"]: row for row in csv.DictReader(file)}
    assert float(rows["dose"]["percentile_99"]) < 0.001 and rows["dose"]["unit"] == "Gy"
    for organ in ("Parotid_L", "Larynx", "SpinalCord"):
        assert 0.8 < float(rows[organ]["dice"]) < 1
    # The CT's own error, from scipy: 6 of the 8 cosines along each axis of a cube.
    system = DiffKT3DSystem()
    inputs = seen[0].inputs
    shape = system.padded(inputs.region.shape)
    offset = centred_offset(inputs.region.shape, shape)
    ct = inputs.padded_channels(shape, offset)[inputs.names.index("ct")].astype(np.float64)
    cubes = ct.reshape(ct.shape[0] // 8, 8, ct.shape[1] // 8, 8, ct.shape[2] // 8, 8)
    coefficients = dctn(cubes, axes=(1, 3, 5), norm="ortho")
    for axis in (1, 3, 5):
        np.moveaxis(coefficients, axis, 0)[6:] = 0
    error = np.abs(idctn(coefficients, axes=(1, 3, 5), norm="ortho").reshape(ct.shape) - ct)
    error = error[window(inputs.region.shape, offset)][inputs.region]
    assert float(rows["ct"]["mean_error"]) == pytest.approx(1000 * error.mean(), rel=0.01)
    assert rows["ct"]["unit"] == "HU"


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_a_backbones_codec_is_measured_without_its_denoiser(codec_error, tmp_path, monkeypatch, kind):
    case = ball_case()
    corner, size = (8, 8, 8), (15, 17, 18)
    small = tuple(slice(start, start + n) for start, n in zip(corner, size, strict=True))
    case = replace(case, inputs=case.inputs.cropped(corner, size), dose_gy=case.dose_gy[small])
    if kind == "wan":
        folder = wan_folder(tmp_path / "wan")
    else:
        folder = tmp_path / "maisi"
        maisi_folder(folder)
        monkeypatch.setattr(
            codec_error, "backbone_config",
            lambda folder, told: backbone_config(folder, {"codec_config": MAISI_AUTOENCODER, **told}),
        )  # fmt: skip
    system, network = codec_error.codec_of(folder)
    assert system.codec == kind and sum(1 for _ in network.denoiser.parameters()) == 0
    rows = {row.channel: row for row in codec_error.round_trips(system, network, case, torch.device("cpu"))}
    assert rows["dose"].mean_error > 1  # random weights restore nothing
    assert np.isnan(rows["distance_any"].mean_error) == (kind == "maisi")  # which sees a modality's first channel
    averaged = {row.channel: row for row in codec_error.means([rows["dose"], replace(rows["dose"], mean_error=0.0)])}
    assert averaged["dose"].mean_error == pytest.approx(rows["dose"].mean_error / 2)
