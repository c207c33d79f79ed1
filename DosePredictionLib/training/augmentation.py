"""Turning and resampling a training case in the axial plane."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from DosePredictionLib.conditioning.channels import SCALARS
from DosePredictionLib.conditioning.distance import FARTHEST_MM
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM
from DosePredictionLib.patient.geometry import Geometry
from DosePredictionLib.training.case_cache import TrainingCase

#: Channels that vary smoothly; all others are labels and keep their values.
SMOOTH = ("ct", "distance_high", "distance_any", "beams_high", "beams_any", "beams_angles", "sampled_dose")
BEAM_SPACING_DEGREES = 40.0


@dataclass(frozen=True)
class Turn:
    """One turn of a patient.

    Attributes:
        angle_degrees: about the patient's long axis.
        enlarge: new voxels an old voxel becomes along x and y; the anatomy keeps its size in mm.
    """

    angle_degrees: float
    enlarge: float


def draw_turn(
    rng: np.random.Generator, probability: float, widest_degrees: float, resize: float, beam_share: float
) -> Turn | None:
    """A random turn, or None with probability ``1 - probability``.

    The beam channels turn with the patient, so any angle gives a plan that is physically right. Some turns are
    multiples of the beam spacing (as in C3D, the winner of the OpenKBP challenge), the others are small.

    Args:
        rng: source of randomness.
        probability: of a turn.
        widest_degrees: small angles are uniform between plus and minus this.
        resize: voxels become up to this fraction smaller or larger.
        beam_share: of the turns, so many are multiples of the beam spacing.
    """
    if rng.random() >= probability:
        return None
    angle = float(rng.uniform(-widest_degrees, widest_degrees))
    if rng.random() < beam_share:
        angle = BEAM_SPACING_DEGREES * int(rng.integers(1, round(360 / BEAM_SPACING_DEGREES)))
    return Turn(angle, float(rng.uniform(1 - resize, 1 + resize)))


def turned(case: TrainingCase, turn: Turn) -> TrainingCase:
    """The case turned about its axis and resampled; distances, doses and beams keep their physical meaning.

    Smooth channels and the dose are interpolated by cubic convolution (linear interpolation blurs a dose, and networks
    learn to predict blurred doses from it), labels take their nearest voxel. The box grows to hold the turned dose
    region.
    """
    inputs = case.inputs
    layers, height, width = inputs.region.shape
    spacing = np.asarray(inputs.geometry.spacing_mm, dtype=float)
    new_spacing = spacing / np.array([turn.enlarge, turn.enlarge, 1.0])
    angle = math.radians(turn.angle_degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    # Positions in mm from the box's middle; new = R old.
    rows, columns = np.nonzero(inputs.region.any(axis=0))
    x_mm = (columns - (width - 1) / 2) * spacing[0]
    y_mm = (rows - (height - 1) / 2) * spacing[1]
    turned_x, turned_y = cosine * x_mm - sine * y_mm, sine * x_mm + cosine * y_mm
    first = np.array([turned_x.min(), turned_y.min()])
    extent = np.array([turned_x.max(), turned_y.max()]) - first
    new_width, new_height = (int(size) for size in np.ceil(extent / new_spacing[:2]) + 1)

    grid_x = torch.arange(new_width, dtype=torch.float32) * float(new_spacing[0]) + float(first[0])
    grid_y = torch.arange(new_height, dtype=torch.float32)[:, None] * float(new_spacing[1]) + float(first[1])
    old_x = (cosine * grid_x + sine * grid_y) / float(spacing[0])
    old_y = (-sine * grid_x + cosine * grid_y) / float(spacing[1])
    # grid_sample's corners are -1 and +1 at the outermost voxel centres.
    grid = torch.stack([2 * old_x / max(width - 1, 1), 2 * old_y / max(height - 1, 1)], dim=-1)[None]

    def resampled(arrays: np.ndarray, mode: str) -> Tensor:
        planes = torch.from_numpy(np.ascontiguousarray(arrays, dtype=np.float32)).reshape(1, -1, height, width)
        new = functional.grid_sample(planes, grid, mode=mode, padding_mode="zeros", align_corners=True)
        new = new.reshape(-1, layers, new_height, new_width)
        # Cubic convolution swings beyond what it interpolates beside steep falls; what lies outside the box is zero.
        lowest, highest = (bound[:, None, None, None] for bound in planes.reshape(len(new), -1).aminmax(dim=1))
        return new.clamp_(lowest.clamp(max=0), highest.clamp(min=0))

    far = np.array([FARTHEST_MM / 50.0 if name.startswith("distance_") else 0.0 for name in inputs.names])
    far = far.astype(np.float32)[:, None, None, None]
    smooth = [index for index, name in enumerate(inputs.names) if name in SMOOTH]
    labels = [index for index, name in enumerate(inputs.names) if name not in SMOOTH]
    channels = np.zeros((len(inputs.names), layers, new_height, new_width), dtype=np.float32)
    interpolated = resampled(np.concatenate([inputs.channels[smooth] - far[smooth], case.dose_gy[None]]), "bicubic")
    channels[smooth] = interpolated[:-1].numpy() + far[smooth]
    nearest = resampled(np.concatenate([inputs.channels[labels], inputs.region[None]]), "nearest")
    channels[labels] = nearest[:-1].numpy()
    region = nearest[-1].numpy() > 0.5
    scalars = inputs.scalars.copy()
    for axis, name in enumerate(("spacing_x", "spacing_y")):
        scalars[SCALARS.index(name)] = new_spacing[axis] / NOMINAL_SPACING_MM[axis] - 1.0
    # The position in the room no longer matters; only the voxel size is kept.
    geometry = Geometry(
        (layers, new_height, new_width), (new_spacing[0], new_spacing[1], new_spacing[2]), inputs.geometry.origin_mm,
        inputs.geometry.direction,
    )  # fmt: skip
    new_inputs = replace(inputs, channels=channels, scalars=scalars, region=region, geometry=geometry)
    return TrainingCase(case.identifier, new_inputs, interpolated[-1].numpy() * region)
