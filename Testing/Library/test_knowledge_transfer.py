"""Backbones in their published formats: tiny random models are written as published ones are, and read."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantom import AXIAL, ball_patient
from safetensors.torch import save_file

from DosePredictionLib.cli.main import main
from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.conditioning.padding import centred_offset, window
from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.weights_header import read_weights_header
from DosePredictionLib.networks.backbone_config import backbone_config
from DosePredictionLib.networks.colour_view import from_colours, to_colours
from DosePredictionLib.networks.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig
from DosePredictionLib.networks.wan_files import load_wan, wan_system_config
from DosePredictionLib.patient.volume import Volume
from DosePredictionLib.patient.writer_folder import write_patient_folder
from DosePredictionLib.resources import resource_path
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.systems.registry import system_from_config
from DosePredictionLib.training.backbone_weights import start_from
from DosePredictionLib.training.case_cache import training_case
from DosePredictionLib.training.config import TrainingConfig

TRANSFORMER = {
    "_class_name": "WanTransformer3DModel", "patch_size": [1, 2, 2], "num_attention_heads": 2, "attention_head_dim": 24,
    "in_channels": 4, "out_channels": 4, "text_dim": 12, "freq_dim": 256, "ffn_dim": 64, "num_layers": 2,
    "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads", "eps": 1e-06,
}  # fmt: skip
AUTOENCODER = {
    "_class_name": "AutoencoderKLWan", "base_dim": 8, "z_dim": 4, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 1,
    "temperal_downsample": [False, True, True], "latents_mean": [0.1, -0.2, 0.3, 0.0],
    "latents_std": [1.0, 2.0, 0.5, 1.5], "dropout": 0.0,
}  # fmt: skip
MAISI_AUTOENCODER = {"num_channels": [8, 16, 16], "num_res_blocks": [1, 1, 1], "norm_num_groups": 4}
MAISI_UNET = {
    "num_channels": [8, 16], "num_res_blocks": 1, "attention_levels": [False, True], "num_head_channels": [0, 8],
    "norm_num_groups": 4, "num_class_embeds": 4,
}  # fmt: skip


def published_transformer() -> dict[str, torch.Tensor]:
    """Names and shapes of a WanTransformer3DModel in diffusers, with random values."""
    width, ffn, text, length = 48, 64, 12, 16
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embedding.weight": (width, 4, 1, 2, 2),
        "patch_embedding.bias": (width,),
        "condition_embedder.time_embedder.linear_1.weight": (width, 256),
        "condition_embedder.time_embedder.linear_1.bias": (width,),
        "condition_embedder.time_embedder.linear_2.weight": (width, width),
        "condition_embedder.time_embedder.linear_2.bias": (width,),
        "condition_embedder.time_proj.weight": (6 * width, width),
        "condition_embedder.time_proj.bias": (6 * width,),
        "condition_embedder.text_embedder.linear_1.weight": (width, text),
        "condition_embedder.text_embedder.linear_1.bias": (width,),
        "condition_embedder.text_embedder.linear_2.weight": (width, width),
        "condition_embedder.text_embedder.linear_2.bias": (width,),
        "proj_out.weight": (length, width),
        "proj_out.bias": (length,),
        "scale_shift_table": (1, 2, width),
    }
    for block in (f"blocks.{n}" for n in range(2)):
        for attention in ("attn1", "attn2"):
            for layer in ("to_q", "to_k", "to_v", "to_out.0"):
                shapes[f"{block}.{attention}.{layer}.weight"] = (width, width)
                shapes[f"{block}.{attention}.{layer}.bias"] = (width,)
            shapes[f"{block}.{attention}.norm_q.weight"] = shapes[f"{block}.{attention}.norm_k.weight"] = (width,)
        shapes[f"{block}.norm2.weight"] = shapes[f"{block}.norm2.bias"] = (width,)
        shapes[f"{block}.ffn.net.0.proj.weight"], shapes[f"{block}.ffn.net.0.proj.bias"] = (ffn, width), (ffn,)
        shapes[f"{block}.ffn.net.2.weight"], shapes[f"{block}.ffn.net.2.bias"] = (width, ffn), (width,)
        shapes[f"{block}.scale_shift_table"] = (1, 6, width)
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}


def published_autoencoder() -> dict[str, torch.Tensor]:
    """Names and shapes of an AutoencoderKLWan in diffusers, with random values."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name, inputs, outputs, *kernel):
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (outputs, inputs, *kernel), (outputs,)

    def residual(name, inputs, outputs):
        shapes[f"{name}.norm1.gamma"], shapes[f"{name}.norm2.gamma"] = (inputs, 1, 1, 1), (outputs, 1, 1, 1)
        conv(f"{name}.conv1", inputs, outputs, 3, 3, 3)
        conv(f"{name}.conv2", outputs, outputs, 3, 3, 3)
        if inputs != outputs:
            conv(f"{name}.conv_shortcut", inputs, outputs, 1, 1, 1)

    def middle(name, width):
        residual(f"{name}.resnets.0", width, width)
        residual(f"{name}.resnets.1", width, width)
        shapes[f"{name}.attentions.0.norm.gamma"] = (width, 1, 1)
        conv(f"{name}.attentions.0.to_qkv", width, 3 * width, 1, 1)
        conv(f"{name}.attentions.0.proj", width, width, 1, 1)

    conv("encoder.conv_in", 3, 8, 3, 3, 3)
    residual("encoder.down_blocks.0", 8, 8)
    conv("encoder.down_blocks.1.resample.1", 8, 8, 3, 3)
    residual("encoder.down_blocks.2", 8, 16)
    conv("encoder.down_blocks.3.resample.1", 16, 16, 3, 3)
    conv("encoder.down_blocks.3.time_conv", 16, 16, 3, 1, 1)
    residual("encoder.down_blocks.4", 16, 32)
    conv("encoder.down_blocks.5.resample.1", 32, 32, 3, 3)
    conv("encoder.down_blocks.5.time_conv", 32, 32, 3, 1, 1)
    residual("encoder.down_blocks.6", 32, 32)
    middle("encoder.mid_block", 32)
    shapes["encoder.norm_out.gamma"] = (32, 1, 1, 1)
    conv("encoder.conv_out", 32, 8, 3, 3, 3)
    conv("quant_conv", 8, 8, 1, 1, 1)
    conv("post_quant_conv", 4, 4, 1, 1, 1)
    conv("decoder.conv_in", 4, 32, 3, 3, 3)
    middle("decoder.mid_block", 32)
    for level, (inputs, outputs) in enumerate(((32, 32), (16, 32), (16, 16), (8, 8))):
        block = f"decoder.up_blocks.{level}"
        residual(f"{block}.resnets.0", inputs, outputs)
        residual(f"{block}.resnets.1", outputs, outputs)
        if level < 3:
            conv(f"{block}.upsamplers.0.resample.1", outputs, outputs // 2, 3, 3)
        if level < 2:
            conv(f"{block}.upsamplers.0.time_conv", outputs, 2 * outputs, 3, 1, 1)
    shapes["decoder.norm_out.gamma"] = (8, 1, 1, 1)
    conv("decoder.conv_out", 8, 3, 3, 3, 3)
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}


def wan_folder(folder: Path, sharded: bool = False) -> Path:
    """A folder as published."""
    for name, content in (("transformer", TRANSFORMER), ("vae", AUTOENCODER)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(content))
    state = published_transformer()
    weights = "diffusion_pytorch_model"
    if sharded:
        shards = {f"{weights}-0000{n}-of-00002.safetensors": dict(list(state.items())[n - 1 :: 2]) for n in (1, 2)}
        for name, part in shards.items():
            save_file(part, folder / "transformer" / name)
        places = {key: name for name, part in shards.items() for key in part}
        index = {"metadata": {"total_size": 0}, "weight_map": places}
        (folder / "transformer" / f"{weights}.safetensors.index.json").write_text(json.dumps(index))
    else:
        save_file(state, folder / "transformer" / f"{weights}.safetensors")
    save_file(published_autoencoder(), folder / "vae" / f"{weights}.safetensors")
    return folder


@pytest.mark.parametrize("sharded", [False, True])
def test_wan_is_read_into_our_modules(tmp_path, sharded):
    folder = wan_folder(tmp_path, sharded)
    system = DiffKT3DSystem(**wan_system_config(folder), slot_width=4)
    network = system.build_network()
    start_from(folder, network, system)
    published = published_transformer()
    denoiser = network.denoiser
    assert torch.equal(denoiser.blocks[1].attention.key.weight, published["blocks.1.attn1.to_k.weight"])
    assert torch.equal(denoiser.blocks[0].feed_forward[2].bias, published["blocks.0.ffn.net.2.bias"])
    assert torch.equal(denoiser.modulation.weight, published["condition_embedder.time_proj.weight"])
    assert denoiser.role.abs().max() == 0
    for modality in ("dose", "oar"):
        assert torch.equal(denoiser.embeddings[modality].bias, published["patch_embedding.bias"])
    # A patch embedding is a convolution with the patch as its stride, and the head its transpose, channels last.
    latent = torch.randn(1, 4, 3, 4, 6)
    conv = torch.nn.functional.conv3d(latent, published["patch_embedding.weight"], stride=(1, 2, 2))
    from DosePredictionLib.networks.dose_transformer import latent_of, patches_of

    ours = patches_of(latent, (1, 2, 2)) @ denoiser.embeddings["dose"].weight.T
    assert torch.allclose(ours[0, 2, 1, 2], conv[0, :, 2, 1, 2], atol=1e-5)
    token = torch.randn(1, 1, 1, 1, 48)
    said = (published["proj_out.weight"] @ token.flatten()).reshape(1, 2, 2, 4)  # pz, py, px, channel
    assert torch.allclose(latent_of(token @ denoiser.heads["dose"].weight.T, (1, 2, 2))[0, :, 0],
                          said[0].permute(2, 0, 1), atol=1e-5)  # fmt: skip


def test_wan_goes_through_with_every_modality(tmp_path):
    folder = wan_folder(tmp_path)
    system = DiffKT3DSystem(**wan_system_config(folder), slot_width=4)
    network = system.build_network()
    load_wan(folder, network)
    # 8 slices and the first once more: 9 = 4 k + 1, which become k + 1 = 3.
    latents = {
        name: network.encode(name, torch.rand(1, count, 8, 16, 32) * 2 - 1)
        for name, count in (("dose", 1), ("ptv", 3), ("oar", 7), ("beam", 2))
    }
    assert {tuple(latent.shape) for latent in latents.values()} == {(1, 4, 3, 2, 4)}
    assert network.latent_size((8, 16, 32)) == (3, 2, 4)
    region = torch.zeros(1, 1, 8, 16, 32, dtype=torch.bool)
    region[..., :4, :8, :] = True
    occupied = network.occupied(region)
    assert occupied.shape == (3, 2, 4) and occupied[0].sum() == occupied[1].sum() == 4 and not occupied[2].any()
    noisy = torch.randn(1, 4, 3, 2, 4)
    conditions = {name: latents[name] for name in ("ptv", "oar", "beam")}
    with torch.no_grad():
        said = network(noisy, torch.tensor([0.5]), "dose", conditions, occupied)
        assert said.shape == noisy.shape and said[:, :, :2].abs().min() > 0
        for name, count in (("dose", 1), ("oar", 7)):
            assert network.decode(name, latents[name]).shape == (1, count, 8, 16, 32)


def test_the_autoencoder_looks_back_along_z_only():
    torch.manual_seed(0)
    autoencoder = WanAutoencoder(WanAutoencoderConfig.of(AUTOENCODER)).eval()
    volume = torch.rand(1, 3, 9, 16, 16) * 2 - 1
    changed = volume.clone()
    changed[:, :, 5:] = 0
    with torch.no_grad():
        one, other = autoencoder.encode(volume), autoencoder.encode(changed)
        assert torch.allclose(one[:, :, :2], other[:, :, :2], atol=1e-5)
        assert not torch.allclose(one[:, :, 2], other[:, :, 2], atol=1e-3)
        shorter = autoencoder.encode(volume[:, :, :5])
        assert torch.allclose(one[:, :, :2], shorter, atol=1e-5)
        assert autoencoder.decode(one).shape == volume.shape
        # The latent's published mean and deviation are taken out and put back.
        plain = WanAutoencoder(WanAutoencoderConfig.of({**AUTOENCODER, "latents_mean": [0.0] * 4,
                                                        "latents_std": [1.0] * 4}))  # fmt: skip
        plain.load_state_dict(autoencoder.state_dict())
        mean, deviation = torch.tensor([0.1, -0.2, 0.3, 0.0]), torch.tensor([1.0, 2.0, 0.5, 1.5])
        wanted = (plain.encode(volume) - mean[:, None, None, None]) / deviation[:, None, None, None]
        assert torch.allclose(one, wanted, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_colours_come_back(count):
    if count <= 3:
        volume = torch.rand(1, count, 2, 3, 4) * 2 - 1
    else:
        label = torch.randint(0, count + 1, (1, 2, 3, 4))
        volume = torch.stack([(label == n + 1).float() for n in range(count)], dim=1) * 2 - 1
    colours = to_colours(volume)
    assert colours.shape[1] == 3 and colours.abs().max() <= 1
    assert torch.allclose(from_colours(colours, count), volume, atol=1e-5)


def test_missing_and_wrong_folders_say_what_belongs_where(tmp_path):
    with pytest.raises(InputError, match="put the published folder there, with config.json"):
        wan_system_config(tmp_path / "none")
    folder = wan_folder(tmp_path / "wan")
    config = wan_system_config(folder)
    wider = DiffKT3DSystem(**{**config, "layers": 3}, slot_width=4)
    with pytest.raises(InputError, match="blocks.2.attention.key.bias is missing; train with --backbone FOLDER"):
        start_from(folder, wider.build_network(), wider)
    other = DiffKT3DSystem(**{**config, "feed_forward": 32}, slot_width=4)
    with pytest.raises(InputError, match=r"is \(64,\) instead of \(32,\)"):
        start_from(folder, other.build_network(), other)
    system = DiffKT3DSystem(**config, slot_width=4)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"broken")
    with pytest.raises(InputError, match="damaged or not safetensors"):
        start_from(folder, system.build_network(), system)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="diffusion_pytorch_model.safetensors is missing"):
        start_from(folder, system.build_network(), system)


def maisi_system() -> DiffKT3DSystem:
    return DiffKT3DSystem(
        codec="maisi", codec_config=MAISI_AUTOENCODER, backbone="maisi", backbone_config=MAISI_UNET, latent_scale=1.0,
        prediction="velocity",
    )  # fmt: skip


def maisi_folder(folder: Path) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Checkpoints as published, of MONAI's own classes with random weights."""
    from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi

    from DosePredictionLib.networks.maisi_codec import maisi_autoencoder

    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    autoencoder = maisi_autoencoder(MAISI_AUTOENCODER)
    unet = DiffusionModelUNetMaisi(3, 4, 4, include_spacing_input=True, **MAISI_UNET)
    for parameter in unet.out.parameters():
        torch.nn.init.normal_(parameter, std=0.1)  # begins at zero otherwise, and would say nothing
    torch.save(autoencoder.state_dict(), folder / "autoencoder_v1.pt")
    content = {"epoch": 7, "unet_state_dict": {f"module.{k}": v for k, v in unet.state_dict().items()},
               "scale_factor": torch.tensor(1.25)}  # fmt: skip
    torch.save(content, folder / "diff_unet_3d_rflow-ct.pt")
    return autoencoder.eval(), unet.eval()


def test_maisi_is_read_and_says_what_it_said(tmp_path):
    autoencoder, unet = maisi_folder(tmp_path / "maisi")
    system = maisi_system()
    network = system.build_network()
    start_from(tmp_path / "maisi", network, system)
    network.eval()
    ct = torch.rand(1, 1, 16, 16, 24) * 2 - 1
    noisy, time = torch.randn(1, 4, 4, 4, 6), torch.tensor([0.6])
    with torch.no_grad():
        mean, _ = autoencoder.encode((ct + 1) / 2)
        assert torch.allclose(network.encode("ct", ct), 1.25 * mean, atol=1e-5)
        assert torch.allclose(network.decode("ct", 1.25 * mean), autoencoder.decode(mean) * 2 - 1, atol=1e-4)
        # The widened input begins with what the published one knows; MONAI's velocity is clean minus noise.
        wanted = unet(noisy, timesteps=1000 * time, class_labels=torch.tensor([1]), spacing_tensor=torch.ones(1, 3))
        said = network(noisy, time, "dose", {"ct": torch.randn(1, 4, 4, 4, 6)})
        assert torch.allclose(said, -wanted, atol=1e-5) and said.abs().max() > 1e-3
    assert not any(parameter.requires_grad for parameter in network.codec.parameters())


def test_maisi_folders_that_lack_something_say_so(tmp_path):
    system = maisi_system()
    with pytest.raises(InputError, match=r"there is no autoencoder\*.pt; put the published"):
        start_from(tmp_path, system.build_network(), system)
    maisi_folder(tmp_path)
    (tmp_path / "diff_unet_3d_rflow-ct.pt").write_bytes(b"no pickle")
    with pytest.raises(InputError, match="damaged or no checkpoint"):
        start_from(tmp_path, system.build_network(), system)


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_a_pretrained_backbone_can_be_trained_and_samples_a_dose(tmp_path, kind):
    from DosePredictionLib.conditioning.channels import model_input
    from DosePredictionLib.networks.low_rank import add_low_rank

    if kind == "wan":
        folder = wan_folder(tmp_path)
        system = DiffKT3DSystem(**wan_system_config(folder), slot_width=4, channels=CHANNELS)
    else:
        folder, system = tmp_path / "maisi", maisi_system()
        maisi_folder(folder)
    network = system.build_network()
    start_from(folder, network, system)
    inputs = model_input(ball_patient(), CHANNELS).cropped((8, 8, 8), (15, 17, 18))
    dose_gy = system.sample_dose(network.eval(), inputs, 1, 0)
    assert dose_gy.shape == (15, 17, 18) and dose_gy.min() >= 0
    add_low_rank(network, 2, lambda name: name.startswith("denoiser"))
    latent = torch.randn(1, 4, *network.latent_size(system.padded((15, 17, 18))))
    network(latent, torch.ones(1), "dose", {"ct": latent}).square().mean().backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert any(name.endswith(".up") for name in learning) and not any("original" in name for name in learning)


# From the command line

BENCHMARKS = Path(__file__).resolve().parents[1] / "Benchmarks"


def with_dose(patient):
    """A dose of 60 Gy in the body, which falls off along x."""
    body = patient.structures[0].mask.array > 0
    dose = np.linspace(60, 20, body.shape[2], dtype=np.float32) * body
    return replace(patient, reference_dose=Volume(dose.astype(np.float32), AXIAL))


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_a_user_starts_from_a_folder(tmp_path, kind):
    told = {"slot_width": 4, "layers": 5, "channels": list(CHANNELS), "sampling_steps": 1}
    if kind == "wan":
        folder = wan_folder(tmp_path / "Wan")
    else:
        folder = tmp_path / "MAISI"
        maisi_folder(folder)
        told |= {"codec_config": MAISI_AUTOENCODER, "backbone_config": MAISI_UNET}
    write_patient_folder(with_dose(ball_patient()), tmp_path / "cases" / "ball")
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


# What codecs lose


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
    case = training_case(with_dose(ball_patient()), CHANNELS)
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
