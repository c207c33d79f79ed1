"""What a codec of DiffKT3D loses: every modality of every case encoded, decoded and compared, in the dose region.

    python Testing/Benchmarks/codec_error.py openkbp/validation
    python Testing/Benchmarks/codec_error.py openkbp/validation --backbone backbones/MAISI -o error.csv

Without --backbone it is the cosine transform of the small configuration. Of a channel: the mean absolute error and its
99th percentile in the channel's unit, Dice where it is a mask; and the standard deviation of its modality's latent,
which noise of deviation 1 is mixed with (``latent_scale`` brings it there). "nan" is what the codec isn't shown.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from DosePredictionLib.conditioning.channels import ModelInput  # noqa: E402
from DosePredictionLib.conditioning.dose_units import gy_per_unit, in_model_units  # noqa: E402
from DosePredictionLib.conditioning.modalities import (  # noqa: E402
    DOSE,
    MODALITY_CHANNELS,
    channel_values,
    modalities_of,
    modality_volume,
)
from DosePredictionLib.conditioning.padding import centred_offset, pad_to, window  # noqa: E402
from DosePredictionLib.errors import InputError  # noqa: E402
from DosePredictionLib.inference.device import choose_device  # noqa: E402
from DosePredictionLib.networks.any_to_any import AnyToAnyNetwork  # noqa: E402
from DosePredictionLib.networks.backbone_config import backbone_config  # noqa: E402
from DosePredictionLib.patient.reading import find_cases, read_patient  # noqa: E402
from DosePredictionLib.systems.diffkt3d import DiffKT3DSystem  # noqa: E402
from DosePredictionLib.training.case_cache import TrainingCase, training_case  # noqa: E402
from DosePredictionLib.whole_file import whole_file  # noqa: E402


@dataclass(frozen=True)
class RoundTrip:
    """What is left of one channel.

    Attributes:
        modality, channel: which.
        unit: of the errors; 1 for fractions.
        mean_error, percentile_99: of the absolute error in the dose region.
        dice: of the masks above one half; NaN where it is no mask, or empty.
        latent_deviation: of the modality's latent where the region is.
    """

    modality: str
    channel: str
    unit: str
    mean_error: float
    percentile_99: float
    dice: float
    latent_deviation: float


def codec_of(folder: Path | None) -> tuple[DiffKT3DSystem, AnyToAnyNetwork]:
    """The system, and its codec without a denoiser; from a backbone's folder where there is one.

    Raises:
        InputError: the folder holds no backbone; the message says what belongs there.
    """
    if folder is None:
        system = DiffKT3DSystem()
        return system, AnyToAnyNetwork(system.build_codec(), torch.nn.Identity()).eval()
    system = DiffKT3DSystem(**backbone_config(folder, {}))
    codec = system.build_codec()
    if system.codec == "wan":
        from DosePredictionLib.networks.wan_files import load_wan_autoencoder

        load_wan_autoencoder(folder, codec)
    else:
        from DosePredictionLib.networks.maisi_files import load_maisi_autoencoder

        load_maisi_autoencoder(folder, codec)
    return system, AnyToAnyNetwork(codec, torch.nn.Identity()).eval()


def unit_of(channel: str, inputs: ModelInput) -> tuple[str, float]:
    """A channel's unit, and what its values are multiplied by."""
    if channel == "ct":
        return "HU", 1000.0
    if channel == "prescription":
        return "Gy", inputs.prescription_gy
    return ("mm", 50.0) if channel.startswith("distance") else ("1", 1.0)


def is_mask(modality: str) -> bool:
    """Whether a modality's channels are masks."""
    return modality in ("oar", "body")


@torch.inference_mode()
def round_trips(
    system: DiffKT3DSystem, network: AnyToAnyNetwork, case: TrainingCase, device: torch.device
) -> Iterator[RoundTrip]:
    """Each channel of a case through the codec and back."""
    inputs = case.inputs
    shape = system.padded(inputs.region.shape)
    offset = centred_offset(inputs.region.shape, shape)
    channels = inputs.padded_channels(shape, offset)
    place = (slice(None), *window(inputs.region.shape, offset))
    occupied = network.occupied(torch.from_numpy(pad_to(inputs.region, shape, offset))[None, None])
    for modality in (DOSE, *modalities_of(inputs)):
        if modality == DOSE:
            dose_gy = pad_to(case.dose_gy.astype(np.float32), shape, offset)
            volume = in_model_units(dose_gy, inputs)[None]
        else:
            volume = modality_volume(modality, inputs.names, channels)
        latent = network.encode(modality, torch.from_numpy(np.ascontiguousarray(volume))[None].to(device))
        restored = network.decode(modality, latent)[0].cpu().numpy()
        deviation = float(latent[0][:, occupied.to(device)].std())
        for index, channel in enumerate(MODALITY_CHANNELS[modality]):
            if modality == DOSE:
                unit, own, back = "Gy", *((v[place][0] + 1) * gy_per_unit(inputs) for v in (volume, restored))
            else:
                unit, factor = unit_of(channel, inputs)
                own, back = (channel_values(modality, v)[place][index] * factor for v in (volume, restored))
            error = np.abs(back - own)[inputs.region]
            yield RoundTrip(
                modality, channel, unit, float(error.mean()), float(np.percentile(error, 99)),
                _dice(own, back, inputs.region) if is_mask(modality) else float("nan"), deviation,
            )  # fmt: skip


def _dice(own: np.ndarray, back: np.ndarray, region: np.ndarray) -> float:
    a, b = (own > 0.5) & region, (back > 0.5) & region
    return float(2 * (a & b).sum() / (a.sum() + b.sum())) if a.any() else float("nan")


def means(found: Iterable[RoundTrip]) -> list[RoundTrip]:
    """The mean of each channel over the cases; NaNs are left out."""
    by_channel: dict[tuple[str, str, str], list[RoundTrip]] = {}
    for one in found:
        by_channel.setdefault((one.modality, one.channel, one.unit), []).append(one)

    def mean(values: list[float]) -> float:
        known = [value for value in values if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")

    return [
        RoundTrip(*key, *(mean([getattr(one, field.name) for one in several]) for field in fields(RoundTrip)[3:]))
        for key, several in by_channel.items()
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure the cases, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="folder of cases with doses, or one of them")
    parser.add_argument("--backbone", type=Path, metavar="FOLDER", help="Wan 2.1 (diffusers layout) or MAISI")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="write the table there too")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    told = parser.parse_args(arguments)
    try:
        device = choose_device(told.device)
        system, network = codec_of(told.backbone)
        network.to(device)
        found: list[RoundTrip] = []
        cases = find_cases(told.cases)
        for path in cases:
            found += round_trips(system, network, training_case(read_patient(path), system.channels), device)
    except InputError as error:
        print(f"codec_error: {error}", file=sys.stderr)
        return 2
    rows = means(found)
    print(f"{len(cases)} cases through the codec {system.codec!r}, stride {network.codec.stride} voxels (z, y, x)")
    print(f"{'modality':9}{'channel':20}{'unit':>5}{'mean error':>12}{'99 %':>10}{'Dice':>8}{'latent s.d.':>13}")
    for row in rows:
        print(f"{row.modality:9}{row.channel:20}{row.unit:>5}{row.mean_error:12.4f}{row.percentile_99:10.4f}"
              f"{row.dice:8.4f}{row.latent_deviation:13.3f}")  # fmt: skip
    if told.output:
        with whole_file(told.output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(RoundTrip)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
