"""Scores are read from a trial's journal while it trains."""

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
