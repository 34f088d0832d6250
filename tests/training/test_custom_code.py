"""Custom losses, optimizers, collators, callbacks and metrics are called and change the result."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from temper.params import user_code
from tests.helpers import stage_runs
from tests.helpers.training import distance, fit, trained


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_custom_loss_optimizer_and_collator_change_the_weights(mine, engine):
    """Twice the loss, with clipping off, gives twice the gradient."""
    changes = {"train__epochs": 1.0, "train__engine": engine, "train__max_grad_norm": 0.0}
    plain = fit(mine(**changes), "plain")
    for key in ("loss", "optimizer", "collator"):
        session = fit(mine(**changes, **{f"train__{key}": f"mine.{key}"}), key)
        assert distance(session, plain) > 1e-5, key  # AdamW hardly sees a factor
        if key == "loss":
            first, its = session.history.train[0], plain.history.train[0]
            assert first["loss"] == pytest.approx(2 * its["loss"], rel=1e-5)
            assert first["grad_norm"] == pytest.approx(2 * its["grad_norm"], rel=1e-4)
    assert (
        user_code.resolve("mine.Counter", "train.callbacks", {"mine": "mine.py"}).__name__
        == "Counter"
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
def test_custom_callback_sees_every_step(mine, engine, monkeypatch):
    """Both engines call it."""
    seen = []
    real = user_code.resolve

    def watched(name, key, code):
        found = real(name, key, code)
        if key == "train.callbacks":
            found.on_step_end = lambda self, args, state, *_, **__: seen.append(state.global_step)
        return found

    monkeypatch.setattr(user_code, "resolve", watched)
    fit(mine(train__callbacks=["mine.Counter"], train__engine=engine, train__epochs=1.0))
    assert seen == [1, 2, 3, 4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["trainer", "loop"])
@pytest.mark.parametrize(("name", "steps"), [("Quitter", 2), ("Judge", 6)])
def test_custom_callback_may_end_the_training(mine, engine, name, steps):
    """data/model has the weights of that step, and a restart trains no further."""
    parameters = mine(
        train__callbacks=[f"mine.{name}"], train__engine=engine, train__keep_checkpoints="last"
    )
    session = trained(parameters)
    assert [row["step"] for row in session.history.train] == list(range(1, steps + 1))
    assert [row["step"] for row in session.history.validation] == [steps]
    for folder in ("model", "checkpoints/last"):
        kept = load_file(f"data/{folder}/model.safetensors")
        assert all(torch.equal(kept[name], p) for name, p in session.model.named_parameters())
    again = trained(parameters)
    assert again.history == session.history
    assert again.num_steps == 0


@pytest.mark.slow
def test_custom_metric_selects_the_best_and_is_reported(mine):
    """Its direction is the function's."""
    session = trained(
        mine(train__metric_for_best_model="mine.misses", evaluate__metrics=["mine.misses"])
    )
    for row in session.history.validation:
        assert row["misses"] == pytest.approx(32 * (1 - row["accuracy"]))
    fewest = min(row["misses"] for row in session.history.validation)
    (best,) = [r for r in session.history.validation if r["step"] == session.history.best_step()]
    assert best["misses"] == fewest
    stage_runs.evaluate()
    found = json.loads(Path("data/evaluation/metrics.json").read_text())
    for split, rows in (("validation", 32), ("test", 24)):
        assert found[split]["misses"] == pytest.approx(
            rows * (1 - found[split]["accuracy"]), abs=1e-3
        )
    assert "misses" in Path("data/evaluation/report.html").read_text()
