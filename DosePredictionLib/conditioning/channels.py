"""A patient as the channels that a model sees. Training and prediction both come through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from DosePredictionLib.conditioning.distance import FARTHEST_MM, signed_distance
from DosePredictionLib.conditioning.dose_region import dose_region
from DosePredictionLib.conditioning.grid import NOMINAL_SPACING_MM, box_of, model_geometry
from DosePredictionLib.conditioning.padding import window
from DosePredictionLib.conditioning.resampling import resample
from DosePredictionLib.errors import InputError
from DosePredictionLib.patient.geometry import Geometry, Index3, index3
from DosePredictionLib.patient.patient import Patient
from DosePredictionLib.patient.volume import Volume

#: OARs with a channel of their own (TG-263), as OpenKBP has them.
OAR_CHANNELS = ("Brainstem", "SpinalCord", "Parotid_R", "Parotid_L", "Esophagus", "Larynx", "Bone_Mandible")
CHANNELS = (
    "ct",
    "prescription",
    "distance_high",
    "distance_any",
    "region",
    *OAR_CHANNELS,
    "beams_high",
    "beams_any",
)
#: Channels that only some systems ask for.
MORE_CHANNELS = ("beams_angles",)
#: Patient-wide numbers: voxel spacing relative to the nominal one, and which optional conditions are there.
SCALARS = ("spacing_x", "spacing_y", "spacing_z", "has_ct", "has_beams")


@dataclass(frozen=True)
class ModelInput:
    """What a network gets for one patient.

    Attributes:
        names: one name a channel.
        channels: (C, Z, Y, X) float32 (float16 in a training cache) on ``geometry``.
        scalars: (S,) float32, in the order of `SCALARS`.
        region: (Z, Y, X) boolean, where dose can be other than zero.
        geometry: the box around the region, a part of the model's grid.
        prescription_gy: highest prescription; doses are divided by it.
        technique, site: the plan's ("IMRT", "head-and-neck" ...); None when unknown, as in older training caches.
        flipped: along which axes (z, y, x) it lies the other way round than the patient, once mirrored or turned.
    """

    names: tuple[str, ...]
    channels: np.ndarray
    scalars: np.ndarray
    region: np.ndarray
    geometry: Geometry
    prescription_gy: float
    technique: str | None = None
    site: str | None = None
    flipped: tuple[bool, bool, bool] = (False, False, False)

    def channel(self, name: str) -> np.ndarray:
        """The channel of a name, (Z, Y, X)."""
        return self.channels[self.names.index(name)]

    def organ_masks(self) -> dict[str, np.ndarray]:
        """Organ to its voxels, (Z, Y, X) boolean, of those of `OAR_CHANNELS` that are among the channels, in order."""
        return {organ: self.channel(organ) > 0.5 for organ in OAR_CHANNELS if organ in self.names}

    @property
    def far_away(self) -> np.ndarray:
        """The channels' values far from the patient, float32 (C, 1, 1, 1)."""
        values = [FARTHEST_MM / 50.0 if name.startswith("distance_") else 0.0 for name in self.names]
        return np.array(values, dtype=np.float32)[:, None, None, None]

    def padded_channels(self, shape: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        """The channels laid into a larger volume, float32 (C, *shape), each continued with its value far away."""
        padded = np.empty((len(self.names), *shape), dtype=np.float32)
        padded[:] = self.far_away
        padded[(slice(None), *window(self.region.shape, offset))] = self.channels
        return padded

    def cropped(self, start: Index3, shape: Index3) -> ModelInput:
        """The part of ``shape`` voxels from ``start`` (z, y, x)."""
        part = window(shape, start)
        return replace(
            self, channels=self.channels[(slice(None), *part)], region=self.region[part],
            geometry=self.geometry.cropped(start, shape),
        )  # fmt: skip

    def only(self, names: Sequence[str]) -> ModelInput:
        """The same patient with some of the channels, in the order of ``names``."""
        if tuple(names) == self.names:
            return self
        return replace(self, names=tuple(names), channels=self.channels[[self.names.index(name) for name in names]])

    def without(self, condition: str) -> ModelInput:
        """The same patient with an optional condition ("ct" or "beams") missing, as `model_input` would give it."""
        channels, scalars = self.channels.copy(), self.scalars.copy()
        for index, name in enumerate(self.names):
            if name == condition or name.startswith(condition + "_"):
                channels[index] = 0.0
        scalars[SCALARS.index(f"has_{condition}")] = 0.0
        return replace(self, channels=channels, scalars=scalars)

    def mirrored(self, keep_names: bool = False) -> ModelInput:
        """The patient's mirror image: left and right change places, in space and in the names of paired organs.

        Coplanar beams are mirrored with the patient, because their channels are.

        Args:
            keep_names: paired organs keep their names, though they lie on the other side. What planners do to an organ
                of one name then stays with the name; otherwise nothing tells left from right any more.
        """
        z, y, x = self.flipped
        image = replace(
            self, channels=self.channels[:, :, :, ::-1], region=self.region[:, :, ::-1], flipped=(z, y, not x)
        )
        if keep_names:
            return image
        partner = {name: name.replace("_L", "_R") if name.endswith("_L") else name.replace("_R", "_L")
                   for name in self.names if name.endswith(("_L", "_R"))}  # fmt: skip
        order = [self.names.index(partner.get(name, name)) for name in self.names]
        return replace(image, channels=image.channels[order])

    def upside_down(self) -> ModelInput:
        """The patient mirrored in an axial plane, head to feet; coplanar beams stay the same beams."""
        z, y, x = self.flipped
        return replace(self, channels=self.channels[:, ::-1], region=self.region[::-1], flipped=(not z, y, x))

    def quarter_turned(self, quarters: int) -> ModelInput:
        """The patient and its beams turned about the long axis by quarters of a turn, which interpolates nothing.

        The position in the room is not kept, only the voxel size.
        """
        scalars, (x_mm, y_mm, z_mm) = self.scalars.copy(), self.geometry.spacing_mm
        if quarters % 2:
            x, y = SCALARS.index("spacing_x"), SCALARS.index("spacing_y")
            scalars[[x, y]] = scalars[[y, x]]
            x_mm, y_mm = y_mm, x_mm
        z, y, x = self.flipped
        for _ in range(quarters % 4):
            y, x = not x, y  # what was along x lies along y, and the other way round
        region = np.rot90(self.region, quarters, axes=(1, 2))
        return replace(
            self,
            channels=np.rot90(self.channels, quarters, axes=(2, 3)),
            scalars=scalars,
            region=region,
            geometry=replace(self.geometry, shape=index3(region.shape), spacing_mm=(x_mm, y_mm, z_mm)),
            flipped=(z, y, x),
        )


def target_mask(mask: Volume, geometry: Geometry) -> np.ndarray:
    """A target on the model's grid: the voxels that lie in it by half, or of a smaller target those that hold most.

    None is lost: its prescription would go to the others.
    """
    fraction = resample(mask, geometry)
    if fraction.max(initial=0.0) < 0.5 and mask.array.any():
        # Zeros around it, so that a target between the grid's points is seen from these.
        own_mm = mask.geometry.spacing_mm[::-1]
        room = [int(np.ceil(2 * max(geometry.spacing_mm) / own)) for own in own_mm]
        start = index3(-width for width in room)
        shape = index3(size + 2 * width for size, width in zip(mask.array.shape, room, strict=True))
        padded = np.pad((mask.array != 0).astype(np.float32), [(width, width) for width in room])
        fraction = resample(Volume(padded, mask.geometry.cropped(start, shape)), geometry)
    highest = float(fraction.max(initial=0.0))
    return np.asarray(fraction >= min(0.5, highest)) if highest > 0.0 else np.zeros(geometry.shape, bool)


def model_input(patient: Patient, names: Sequence[str] = CHANNELS) -> ModelInput:
    """Everything a network needs to know of a patient.

    Channels (all zero outside the dose region but for the distances):

    - ``ct``: HU / 1000 clipped to [-1, 1.5]; zero when there is no CT, and then the scalar ``has_ct`` is 0.
    - ``prescription``: the highest prescription among the targets at a voxel over the plan's highest.
    - ``distance_high``, ``distance_any``: signed distance to the highest target and to all targets together.
    - ``region``: where dose can be other than zero.
    - one mask for each organ of `OAR_CHANNELS`.
    - ``beams_high``, ``beams_any``: open beams shaped to the same targets; zero when the beams are unknown.
    - ``beams_angles``: the beams' directions as lines (see `angle_plate`); one of `MORE_CHANNELS`.

    Args:
        patient: a checked patient.
        names: which channels, in which order.

    Raises:
        InputError: there is no body or no target on the grid.
        ValueError: a name is neither one of `CHANNELS` nor of `MORE_CHANNELS`.
    """
    whole = model_geometry(patient.geometry)
    region = dose_region(patient, whole)
    if not region.any():
        raise InputError(
            f"No voxel of {patient.identifier} lies in the body and near a target, so nothing can be predicted; "
            "check that the targets and the external structure belong to this CT."
        )
    start, shape = box_of(region)
    geometry = whole.cropped(start, shape)
    region = np.ascontiguousarray(region[tuple(slice(a, a + n) for a, n in zip(start, shape, strict=True))])

    masks = [(target_mask(target.mask, geometry), float(target.prescription_gy or 0.0)) for target in patient.targets]
    highest_gy = patient.prescription_gy
    any_target = np.logical_or.reduce([mask for mask, _ in masks]) & region
    high_target = np.logical_or.reduce([mask for mask, dose_gy in masks if dose_gy >= highest_gy - 1e-3]) & region
    if not any_target.any():
        raise InputError(
            f"The targets of {patient.identifier} lie outside its body; check that they belong to this CT."
        )
    if not high_target.any():
        raise InputError(
            f"The targets of {patient.identifier} with the highest prescription lie outside its body; check that they "
            "and the external structure belong to this CT."
        )

    made: dict[str, np.ndarray] = {}
    if "ct" in names and patient.ct is not None:
        hu = resample(patient.ct, geometry, outside=-1024.0)
        made["ct"] = np.clip(hu / 1000.0, -1.0, 1.5) * region
    prescription = np.zeros(geometry.shape, dtype=np.float32)
    for mask, dose_gy in masks:
        np.maximum(prescription, mask * np.float32(dose_gy / highest_gy), out=prescription)
    made["prescription"] = prescription * region
    made["distance_high"] = signed_distance(high_target, geometry.spacing_mm)
    made["distance_any"] = signed_distance(any_target, geometry.spacing_mm)
    made["region"] = region
    for organ in OAR_CHANNELS:
        structure = patient.standard(organ)
        if structure is not None:
            made[organ] = (resample(structure.mask, geometry) >= 0.5) & region
    if patient.beams is not None and {"beams_high", "beams_any"} & set(names):
        from DosePredictionLib.conditioning.beam_channels import beam_channels

        made["beams_high"], made["beams_any"] = beam_channels(
            patient.beams, [high_target, any_target], region, geometry
        )
    if patient.beams is not None and "beams_angles" in names:
        from DosePredictionLib.conditioning.angle_plate import angle_plate

        made["beams_angles"] = angle_plate(patient.beams, any_target, region, geometry)
    channels = np.zeros((len(names), *geometry.shape), dtype=np.float32)
    for index, name in enumerate(names):
        if name not in CHANNELS and name not in MORE_CHANNELS:
            raise ValueError(f"there is no channel {name!r}")
        if name in made:
            channels[index] = made[name]
    spacing = np.asarray(geometry.spacing_mm) / np.asarray(NOMINAL_SPACING_MM) - 1.0
    scalars = np.array([*spacing, patient.ct is not None, patient.beams is not None], dtype=np.float32)
    return ModelInput(tuple(names), channels, scalars, region, geometry, highest_gy, patient.technique, patient.site)
