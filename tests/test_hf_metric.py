"""The metric modules by `evaluate.load`, without a socket."""

import re

import numpy as np
import pytest

from temper import metrics
from tests.helpers.workspace import ROOT

RANDOM = np.random.default_rng(3)


@pytest.mark.slow
def test_evaluate_loads_the_metric_module_by_path(monkeypatch):
    """As docs/custom-code.md says; it opens no socket and gives the same numbers."""
    import socket

    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("used the network"))
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs/custom-code.md").read_text(encoding="utf-8")
    names = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1], names)
    logits, wanted = RANDOM.normal(size=(30, 2)), RANDOM.integers(0, 2, 30)
    found = names["scores"].compute(predictions=logits, references=wanted)
    assert found == pytest.approx(metrics.compute_from_logits("classification", logits, wanted))
