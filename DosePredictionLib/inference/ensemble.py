"""Which weights draw which sample: the chosen ones and, where they belong to an ensemble, their companions."""

from __future__ import annotations

from dataclasses import dataclass

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.modality import ANY_TO_ANY
from DosePredictionLib.inference.views import KnownViews, View
from DosePredictionLib.inference.weights import LoadedWeights


@dataclass(frozen=True)
class Draw:
    """How a sample is drawn.

    Attributes:
        member: the weights.
        view: how the patient lies.
        steps: denoiser calls.
    """

    member: LoadedWeights
    view: View
    steps: int


class Ensemble:
    """Weights and their companions, which take turns.

    Args:
        loaded: the chosen weights.

    Raises:
        InputError: one of them has never learnt a dose.
    """

    def __init__(self, loaded: LoadedWeights) -> None:
        self.members = (loaded, *loaded.companions)
        for member in self.members:
            header = member.header
            if header.training.get("stage") == ANY_TO_ANY and header.config.get("dose_share") == 0:
                raise InputError(
                    f"{member.path} was trained on every modality but the dose; ask it for another one with predict "
                    "--target, or train the stage dose from it."
                )

    def steps(self, member: LoadedWeights, wanted: int | None) -> int:
        """Denoiser calls of a member's sample: ``wanted``, or else as many as its own weights recommend.

        What is right for one is not for another: weights that say noise need several steps, where those that say the
        clean dose need one.
        """
        return wanted or member.header.recommended.get("steps", member.system.default_steps)

    def draws(self, samples: int, steps: int | None = None) -> tuple[Draw, ...]:
        """How each of ``samples`` is drawn; ``steps`` for all alike, or None for each member's own."""
        return tuple(self._draw(index, samples, steps) for index in range(samples))

    def _draw(self, index: int, samples: int, steps: int | None) -> Draw:
        number = index % len(self.members)
        member = self.members[number]
        # A companion's first sample is the mirror image's, so that two samples differ in both.
        known = KnownViews.of_training(member.header.training)
        view = known.of_sample(index // len(self.members) + number, samples)
        return Draw(member, view, self.steps(member, steps))
