"""A project whose model starts from scratch."""

import json
from pathlib import Path

import pytest

from tests.data_loop.reviews import TASK


@pytest.fixture
def project(write_params, tmp_path, monkeypatch):
    """Return a function that writes params.yaml for files, and a data/base without weights."""

    monkeypatch.chdir(tmp_path)

    def make(task=None, changes=None, **data):
        task = task or {}
        parameters = write_params(
            task=task if "name" in task else TASK | task,
            data={"source": "files", "split": {"validation": 0, "test": 0, "seed": 7}} | data,
            **{"evaluate__positive_label": None} | (changes or {}),
        )
        Path("data/base").mkdir(parents=True, exist_ok=True)
        summary = {"name": "sample", "from_scratch": True}
        Path("data/base/summary.json").write_text(json.dumps(summary))
        return parameters

    return make
