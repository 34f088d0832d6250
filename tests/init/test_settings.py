"""Rows and a model → the values of the train group."""

from temper.core import cores
from temper.init import settings


def test_a_share_of_a_core_is_one_thread(monkeypatch):
    """params.yaml takes no 0."""
    monkeypatch.setattr(cores, "cpu_quota", lambda: 0.5)
    model = settings.Model(name="distilbert/distilbert-base-cased")
    assert settings.train_settings("masked_lm", 100, model)["num_threads"] == 1
