"""Which processor predicts, where a GPU is there that this PyTorch cannot use."""

from __future__ import annotations

import pytest
import torch

from DosePredictionLib.errors import InputError
from DosePredictionLib.inference.device import choose_device


@pytest.mark.parametrize(
    ("version", "automatic"), [("2.6.0", "cpu"), ("2.8.0+cpu", "cpu"), ("2.9.0", "mps"), ("2.10.1", "mps")]
)
def test_apples_gpus_are_taken_from_the_pytorch_on_that_can_pool_in_3d_there(version, automatic, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch, "__version__", version)
    assert choose_device("auto") == torch.device(automatic)
    if automatic == "mps":
        assert choose_device("mps") == torch.device("mps")
    else:
        with pytest.raises(InputError, match="Apple's GPU; install PyTorch 2.9 or newer, or choose --device cpu"):
            choose_device("mps")
