"""Scores are read from a trial's journal while it trains."""

import pytest

from temper.sweep.trial_monitor import TrialMonitor
from tests.helpers.studies import in_memory, loaded


def test_reads_new_scores_of_its_own_journal(tmp_path):
    """Half-written lines wait, other journals are ignored, a resumed one continues counting."""
    config, _ = loaded(tmp_path, objective="validation.f1")
    study = in_memory(config)
    _, trial = study.next(), study.next()
    scores = lambda: study.optuna.trials[1].intermediate_values  # noqa: E731
    lines = ['{"kind": "open", "tags": {"dvc.exp_name": "s-1", "fingerprint": "abc"}}']
    lines += [
        f'{{"kind": "metrics", "step": {step}, "metrics": {{"validation/f1": 0.{step}}}}}'
        for step in (20, 40, 60)
    ]
    path = tmp_path / "train-x.jsonl"
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])
    (tmp_path / "train-y.jsonl").write_text(lines[0].replace("s-1", "s-11") + "\n" + lines[1])
    monitor = TrialMonitor(study, trial, tmp_path, ())
    monitor.read()
    assert scores() == {1: 0.20}
    path.write_text("\n".join(lines[:3]) + "\n")
    monitor.read()
    assert scores() == {1: 0.20, 2: 0.40}
    assert monitor.fingerprint == "abc"
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    TrialMonitor(study, study.claim(trial._trial_id), tmp_path, ()).read()
    assert scores() == {1: 0.20, 2: 0.40, 3: 0.60}


def test_reports_what_it_read_while_the_database_was_away(tmp_path, monkeypatch):
    """No score is lost or reported twice."""
    config, _ = loaded(tmp_path, objective="validation.f1")
    study = in_memory(config)
    trial = study.next()
    lines = ['{"kind": "open", "tags": {"dvc.exp_name": "s-0"}}']
    lines += [f'{{"step": {step}, "metrics": {{"validation/f1": 0.{step}}}}}' for step in (20, 40)]
    (tmp_path / "train-x.jsonl").write_text("\n".join(lines) + "\n")
    monitor = TrialMonitor(study, trial, tmp_path, ())

    def fail(*_, **__):
        raise ConnectionError

    for name in ("note", "should_prune"):
        with monkeypatch.context() as patch:
            patch.setattr(study, name, fail)
            with pytest.raises(ConnectionError):
                monitor.read()
    monitor.read()
    (found,) = study.trials()
    assert found.intermediate_values == {1: 0.20, 2: 0.40}
    assert found.user_attrs["first_step"] == 20
