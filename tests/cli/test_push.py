"""`temper push` shows what it would send before it sends."""

import pytest

from temper.cli import push
from temper.core.errors import InputError


@pytest.mark.slow
def test_dry_run_lists_the_files(exported, capsys, monkeypatch):
    """Without a token a real push stops."""
    push.push("me/model", exported, dry_run=True)
    assert "onnx/model.onnx" in capsys.readouterr().out
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match="set HF_TOKEN"):
        push.push("me/model", exported)
    with pytest.raises(InputError, match="expected user/name"):
        push.push("model", exported)
