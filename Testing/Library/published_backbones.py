"""Tiny random models written as published ones are: Wan 2.1 in the diffusers layout, and MAISI."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem

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
