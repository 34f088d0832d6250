"""Scores are read from a trial's journal while it trains."""

from temper.sweep.trial_monitor import TrialMonitor


def test_reads_new_scores_of_its_own_journal(tmp_path):
    """Half-written lines wait, other journals are ignored, a resumed one continues counting."""
    lines = ['{"kind": "open", "tags": {"dvc.exp_name": "s-1", "fingerprint": "abc"}}']
    lines += [
        f'{{"kind": "metrics", "step": {step}, "metrics": {{"validation/f1": 0.{step}}}}}'
        for step in (20, 40, 50)
    ]
    path = tmp_path / "train-x.jsonl"
    path.write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])
    (tmp_path / "train-y.jsonl").write_text(lines[0].replace("s-1", "s-11") + "\n" + lines[1])
    watched = TrialMonitor(tmp_path, "s-1", "f1")
    assert watched.new_scores() == [(1, 0.20)]
    path.write_text("\n".join(lines) + "\n")
    assert watched.new_scores() == [(2, 0.40), (2, 0.50)]
    assert (watched.first_step, watched.fingerprint) == (20, "abc")
    path.write_text("\n".join([lines[0], *lines[2:3]]) + "\n")
    assert TrialMonitor(tmp_path, "s-1", "f1", 20).new_scores() == [(2, 0.40)]
