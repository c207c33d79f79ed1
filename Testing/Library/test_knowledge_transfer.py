"""Backbones in their published formats are read into our modules and say what they said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from phantom import ball_patient
from published_backbones import (
    AUTOENCODER,
    maisi_folder,
    maisi_system,
    published_transformer,
    wan_folder,
)

from DosePredictionLib.conditioning.channels import CHANNELS
from DosePredictionLib.conditioning.modalities import channel_values, modality_volume
from DosePredictionLib.errors import InputError
from DosePredictionLib.networks.colour_view import from_colours, to_colours
from DosePredictionLib.networks.wan_autoencoder import WanAutoencoder, WanAutoencoderConfig
from DosePredictionLib.networks.wan_files import load_wan, wan_system_config
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem
from DosePredictionLib.training.backbone_weights import start_from


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


def test_maisi_is_read_and_says_what_it_said(tmp_path):
    autoencoder, unet = maisi_folder(tmp_path / "maisi")
    system = maisi_system()
    network = system.build_network()
    start_from(tmp_path / "maisi", network, system)
    network.eval()
    # Published weights saw CTs from -1000 to 1000 HU, and voxel sizes in mm x 100; the channel goes up to 1500 HU.
    hu = torch.rand(1, 1, 16, 16, 24) * 2500 - 1000
    ct = torch.from_numpy(modality_volume("ct", ("ct",), hu[0].numpy() / 1000))[None]
    spacing = torch.tensor([[250.0, 390.6, 390.6]])
    noisy, time = torch.randn(1, 4, 4, 4, 6), torch.tensor([0.6])
    with torch.no_grad():
        mean, _ = autoencoder.encode(((hu + 1000) / 2000).clamp(0, 1))
        assert torch.allclose(network.encode("ct", ct), 1.25 * mean, atol=1e-5)
        restored = channel_values("ct", network.decode("ct", 1.25 * mean)[0].numpy())[0]
        assert np.allclose(1000 * restored, autoencoder.decode(mean)[0, 0].numpy() * 2000 - 1000, atol=0.1)
        hot = torch.rand(1, 1, 16, 16, 24) * 2.3 - 1  # a dose of up to 115 % of the prescription stays what it is
        assert torch.allclose(network.encode("dose", hot), 1.25 * autoencoder.encode((hot + 1) / 2)[0], atol=1e-5)
        # The widened input begins with what the published one knows; MONAI's velocity is clean minus noise.
        wanted = unet(noisy, timesteps=1000 * time, class_labels=torch.tensor([1]), spacing_tensor=spacing)
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


def pretrained(folder, kind):
    if kind == "wan":
        wan_folder(folder)
        system = DiffKT3DSystem(**wan_system_config(folder), slot_width=4, channels=CHANNELS)
    else:
        system = maisi_system()
        maisi_folder(folder)
    network = system.build_network()
    start_from(folder, network, system)
    return system, network.eval()


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_a_pretrained_backbone_can_be_trained_and_samples_a_dose(tmp_path, kind):
    from DosePredictionLib.conditioning.channels import model_input
    from DosePredictionLib.networks.low_rank import add_low_rank

    system, network = pretrained(tmp_path / kind, kind)
    inputs = model_input(ball_patient(), CHANNELS).cropped((8, 8, 8), (15, 17, 18))
    dose_gy = system.sample_dose(network, inputs, 1, 0)
    assert dose_gy.shape == (15, 17, 18) and dose_gy.min() >= 0
    add_low_rank(network, 2, lambda name: name.startswith("denoiser"))
    latent = torch.randn(1, 4, *network.latent_size(system.padded((15, 17, 18))))
    network(latent, torch.ones(1), "dose", {"ct": latent}).square().mean().backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert any(name.endswith(".up") for name in learning) and not any("original" in name for name in learning)


@pytest.mark.parametrize("kind", ["wan", "maisi"])
def test_nothing_but_the_empty_volume_is_left_where_the_patient_is_not(tmp_path, kind):
    """Noise that stayed there would get into the patient's dose, since a learned codec restores voxels from around."""
    system, network = pretrained(tmp_path / kind, kind)
    region = torch.zeros(1, 1, *system.padded((40, 48, 48)), dtype=torch.bool)
    region[:, :, :16, :16, :16] = True
    occupied = network.occupied(region)
    with torch.no_grad():
        for target, empty in (("dose", torch.full((1, 1, 1, 1, 1), -1.0)), ("ptv", torch.zeros(1, 3, 1, 1, 1))):
            latents = system.sample_latents(network, target, {}, region, 2, [1, 2], empty=empty)
            nothing = network.encode(target, empty.expand(-1, -1, *region.shape[2:]))
            assert torch.allclose(latents[:, :, ~occupied], nothing[:, :, ~occupied], atol=1e-5)
            assert (latents[0] - latents[1])[:, occupied].abs().mean() > 0.1
