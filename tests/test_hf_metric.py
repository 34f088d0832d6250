"""The metric modules by `evaluate.load`, without a socket."""

from pathlib import Path

import numpy as np
import pytest

from temper import hf_metric, metrics

RANDOM = np.random.default_rng(3)


@pytest.mark.slow
def test_evaluate_loads_the_metric_module_by_path(monkeypatch):
    """It opens no socket and gives the same numbers."""
    import socket

    import evaluate

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("used the network"))
    path = Path(hf_metric.__file__)
    logits, wanted = RANDOM.normal(size=(30, 3)), RANDOM.integers(0, 3, 30)
    loaded = evaluate.load(str(path), "classification")
    found = loaded.compute(predictions=logits, references=wanted)
    assert found == pytest.approx(metrics.compute_from_logits("classification", logits, wanted))
