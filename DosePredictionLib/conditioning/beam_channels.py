"""What the beams alone would give: open fields shaped to the targets, attenuated by the body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional

from DosePredictionLib.patient.beams import BeamArrangement
from DosePredictionLib.patient.geometry import Geometry

SOURCE_AXIS_DISTANCE_MM = 1000.0
#: Effective attenuation of a 6 MV beam in water per mm, inverse square apart.
ATTENUATION_PER_MM = 0.0045
#: Margin of the field around the target's projection, at the isocentre.
FIELD_MARGIN_MM = 7.0
LATERAL_STEP_MM = 4.0
DEPTH_STEP_MM = 5.0


def beam_channels(
    beams: BeamArrangement, targets: Sequence[np.ndarray], body: np.ndarray, geometry: Geometry
) -> np.ndarray:
    """Relative dose of the open beams, one channel a target mask.

    Each beam is a divergent field from a source 1000 mm from the isocentre, open where the target projects (with a
    margin for the penumbra), falling off exponentially with depth in the body and with the square of the distance. The
    beams' mean is scaled so that it averages 1 in the target.

    Args:
        beams: the arrangement; without an isocentre, the centroid of all targets is taken.
        targets: boolean masks (z, y, x).
        body: boolean mask (z, y, x) that attenuates.
        geometry: the masks' grid; its axes must be those of LPS.

    Returns:
        float32 (len(targets), z, y, x), zero outside the body.
    """
    union = np.logical_or.reduce(list(targets))
    if beams.isocentre_mm is None:
        isocentre = geometry.lps_of_index(np.argwhere(union).mean(axis=0))
    else:
        isocentre = np.asarray(beams.isocentre_mm)
    axes = [
        torch.from_numpy((geometry.origin_mm[i] + geometry.spacing_mm[i] * np.arange(geometry.shape[2 - i])
                          - isocentre[i]).astype(np.float32))
        for i in range(3)
    ]  # fmt: skip
    inside = _points(body, axes)
    reach = float(sum(max(abs(axis[0].item()), abs(axis[-1].item())) ** 2 for axis in axes) ** 0.5) + DEPTH_STEP_MM
    body_tensor = torch.from_numpy(np.ascontiguousarray(body)).float()[None, None]
    target_points = [_points(mask, axes) for mask in targets]
    middle = torch.tensor([(axis[0] + axis[-1]).item() / 2 for axis in axes])
    extent = torch.tensor([max((axis[-1] - axis[0]).item() / 2, 1e-3) for axis in axes])
    total = torch.zeros((len(targets), len(inside)))
    for beam in beams.beams:
        to_source = torch.from_numpy(beam.to_source).float()
        across, along = _field_axes(to_source)
        fields, u_max, w_max = _fields(target_points, to_source, across, along)
        rays = _ray_points(to_source, across, along, reach, u_max, w_max)
        body_in_rays = functional.grid_sample(
            body_tensor, ((rays - middle) / extent)[None], mode="bilinear", padding_mode="zeros", align_corners=True
        )[0, 0]
        depth_mm = torch.cumsum(body_in_rays, dim=0) * DEPTH_STEP_MM
        height = torch.linspace(reach, -reach, rays.shape[0])[:, None, None]
        falloff = (SOURCE_AXIS_DISTANCE_MM / (SOURCE_AXIS_DISTANCE_MM - height)) ** 2
        in_rays = fields[:, None] * (falloff * torch.exp(-ATTENUATION_PER_MM * depth_mm))[None]
        # Back from ray coordinates (depth, w, u) to the body's voxels.
        toward = inside @ to_source
        magnify = SOURCE_AXIS_DISTANCE_MM / (SOURCE_AXIS_DISTANCE_MM - toward)
        u, w = inside @ across * magnify / u_max, inside @ along * magnify / w_max
        where = torch.stack([u, w, -toward / reach], dim=-1)[None, None, None]
        total += functional.grid_sample(
            in_rays[None], where, mode="bilinear", padding_mode="zeros", align_corners=True
        )[0, :, 0, 0]
    result = np.zeros((len(targets), *geometry.shape), dtype=np.float32)
    result[:, body] = total.numpy()
    for channel, mask in zip(result, targets, strict=True):
        level = channel[mask].mean() if mask.any() else 0.0
        if level > 0:
            channel /= level
    return result


def _field_axes(to_source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two unit vectors across the beam; the second is the patient's long axis when the beam is coplanar."""
    long_axis = torch.tensor([0.0, 0.0, 1.0])
    if abs(float(to_source[2])) > 0.95:
        long_axis = torch.tensor([0.0, 1.0, 0.0])
    across = torch.linalg.cross(long_axis, to_source)
    across = across / across.norm()
    return across, torch.linalg.cross(to_source, across)


def _points(mask: np.ndarray, axes: Sequence[torch.Tensor]) -> torch.Tensor:
    """LPS positions (n, 3) of a mask's voxels relative to the isocentre."""
    index = torch.from_numpy(np.argwhere(mask))
    return torch.stack([axes[i][index[:, 2 - i]] for i in range(3)], dim=1)


def _fields(
    target_points: Sequence[torch.Tensor], to_source: torch.Tensor, across: torch.Tensor, along: torch.Tensor
) -> tuple[torch.Tensor, float, float]:
    """Field openings in the isocentre plane, (targets, w, u) with soft edges, and that plane's half sizes in mm."""
    projections = []
    for points in target_points:
        magnify = SOURCE_AXIS_DISTANCE_MM / (SOURCE_AXIS_DISTANCE_MM - points @ to_source)
        projections.append(torch.stack([points @ across * magnify, points @ along * magnify], dim=1))
    margin = FIELD_MARGIN_MM + 3 * LATERAL_STEP_MM
    every = torch.cat(projections).abs()
    cells = [int(np.ceil((float(every[:, axis].max()) + margin) / LATERAL_STEP_MM)) for axis in range(2)]
    fields = torch.zeros(len(projections), 2 * cells[1] + 1, 2 * cells[0] + 1)
    for field, projection in zip(fields, projections, strict=True):
        nearest = torch.round(projection / LATERAL_STEP_MM).long()
        field[nearest[:, 1] + cells[1], nearest[:, 0] + cells[0]] = 1.0
    # Widen by the margin, then soften the edge over one cell to either side as a penumbra would.
    width = 2 * int(round(FIELD_MARGIN_MM / LATERAL_STEP_MM)) + 1
    fields = functional.max_pool2d(fields[:, None], width, stride=1, padding=width // 2)
    fields = functional.avg_pool2d(fields, 3, stride=1, padding=1)[:, 0]
    return fields, cells[0] * LATERAL_STEP_MM, cells[1] * LATERAL_STEP_MM


def _ray_points(
    to_source: torch.Tensor, across: torch.Tensor, along: torch.Tensor, reach: float, u_max: float, w_max: float
) -> torch.Tensor:
    """Positions (depth, w, u, 3) along the divergent rays, from the source's side on, relative to the isocentre."""
    height = torch.linspace(reach, -reach, int(round(2 * reach / DEPTH_STEP_MM)) + 1)[:, None, None, None]
    u = torch.linspace(-u_max, u_max, int(round(2 * u_max / LATERAL_STEP_MM)) + 1)[None, None, :, None]
    w = torch.linspace(-w_max, w_max, int(round(2 * w_max / LATERAL_STEP_MM)) + 1)[None, :, None, None]
    shrink = (SOURCE_AXIS_DISTANCE_MM - height) / SOURCE_AXIS_DISTANCE_MM
    return height * to_source + (u * across + w * along) * shrink
