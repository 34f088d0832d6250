"""The table of a running sweep."""

from rich.console import Console

from temper.sweep import progress_display
from tests.helpers.studies import in_memory, loaded, run_through, stub_score


def test_columns_are_headed_by_the_last_part_of_a_name():
    """The whole name is used where its last part is ambiguous."""
    names = ["train.learning_rate", "data.split.seed", "seed"]
    assert progress_display.column_names(names) == ["learning_rate", "data.split.seed", "seed"]


def test_shows_a_trial_whose_worker_died_before_it_had_values(tmp_path):
    """It has neither a seed nor values."""
    config, _ = loaded(tmp_path)
    study = in_memory(config)
    study.tell(study.optuna.ask(), "FAIL", reason="killed")
    display = progress_display.Display(study, Console())
    assert display.format_trial(study.trials()[0]).startswith("trial 0: failed: killed  ")


def test_the_table_of_trials_is_markdown_too(tmp_path):
    """With configurations best first; the name of the sweep stays as it is."""
    config, _ = loaded(tmp_path)
    study = in_memory(config)
    trials = run_through(study, stub_score)
    text = progress_display.build_table(study, trials).to_markdown()
    assert text.startswith(f"## Trials of {config.name}: {config.objective}\n\n| trial | ")
    scores = [float(line.split("|")[2].split()[0]) for line in text.splitlines()[4:]]
    assert len(scores) > 1
    assert scores == sorted(scores, reverse=True)
