"""Starting from a backbone's folder, from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from phantom import ball_dose, ball_patient
from published_backbones import (
    MAISI_AUTOENCODER,
    MAISI_UNET,
    maisi_folder,
    wan_folder,
)

from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.networks.backbone_config import backbone_config
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.config import TrainingConfig

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_a_user_starts_from_a_folder(tmp_path, kind):
    told = {"slot_width": 4, "layers": 5, "channels": list(CHANNELS), "sampling_steps": 1}
    if kind == "wan":
        folder = wan_folder(tmp_path / "Wan")
    else:
        folder = tmp_path / "MAISI"
        maisi_folder(folder)
        told |= {"codec_config": MAISI_AUTOENCODER, "backbone_config": MAISI_UNET}
    write_patient_folder(replace(ball_patient(), reference_dose=ball_dose()), tmp_path / "cases" / "ball")
    config = {
        "train": str(tmp_path / "cases"), "validation": str(tmp_path / "cases"), "output": str(tmp_path / "run"),
        "system": "diffkt3d", "system_config": told, "stage": "any-to-any", "steps": 2, "decay_steps": 1, "threads": 1,
        "device": "cpu", "canvas": [16, 16, 16] if kind == "wan" else [8, 8, 8],
        "turn_probability": 0.0, "low_rank": 2,
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert main(["train", str(path), "--backbone", str(folder), "--until", "1"]) == 0
    header = read_weights_header(tmp_path / "run" / "weights.safetensors")
    assert header.config["codec"] == kind and header.training["from_weights"] == {"folder": folder.name}
    if kind == "wan":
        assert header.config["layers"] == 2 and header.config["slot_width"] == 4  # the folder's, and the run's choice


def test_a_folder_without_a_backbone_says_what_belongs_there(tmp_path, capsys):
    path = tmp_path / "config.json"
    config = {"train": "a", "validation": "b", "output": str(tmp_path / "run"), "system": "diffkt3d"}
    path.write_text(json.dumps(config))
    assert main(["train", str(path), "--backbone", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert "transformer/config.json" in said and "vae/diffusion_pytorch_model.safetensors" in said
    assert "autoencoder*.pt and diff_unet*.pt" in said and not (tmp_path / "run").exists()
    (tmp_path / "half" / "vae").mkdir(parents=True)
    assert main(["train", str(path), "--backbone", str(tmp_path / "half")]) == 2
    said = capsys.readouterr().err
    assert "Wan 2.1's transformer was looked for" in said and "_config" not in said
    path.write_text(json.dumps({**config, "system": "default"}))
    assert main(["train", str(path), "--backbone", str(tmp_path / "none")]) == 2
    assert "--backbone is for the system diffkt3d" in capsys.readouterr().err


def test_what_the_weights_leave_open_is_the_runs_choice(tmp_path):
    told = {"prediction": "clean", "hidden": 0.1, "width": 7}
    chosen = backbone_config(wan_folder(tmp_path), told)
    assert (chosen["prediction"], chosen["hidden"], chosen["width"]) == ("clean", 0.1, 48)


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("diffkt3d*.json")), ids=lambda path: path.stem)
def test_the_examples_name_networks_that_can_be_built(path):
    config = TrainingConfig.read(path)
    with torch.device("meta"):
        network = system_from_config(config.system, config.system_config).build_network()
    assert all(n % step == 0 for n, step in zip(config.canvas or (), network_multiple(config), strict=False))
    if path.stem == "diffkt3d-maisi":
        # As published: 64, 128, 256 and 512 channels; the latent's four channels at the input are widened.
        assert network.denoiser.unet.conv_in.conv.weight.shape[:2] == (64, 4 * (1 + 7) + 2 * 7)
        assert config.system_config["backbone"] == "maisi" and config.from_weights == "backbones/MAISI"


def network_multiple(config: TrainingConfig) -> tuple[int, int, int]:
    """What the sides of a volume must be multiples of."""
    return system_from_config(config.system, config.system_config).size_multiple
