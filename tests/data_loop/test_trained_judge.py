"""A trained judge has never seen the rows that it judges; what is finished is not done again."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from temper.core import arrow
from temper.core.errors import InputError
from temper.data_loop import doubt_list, source_rows, trained_judge
from tests.data_loop.reviews import rows_with_mistakes
from tests.helpers.tables import write_csv
from tests.helpers.workspace import link_code

FOLD = np.arange(80) % 2


def test_probabilities_in_a_crf_are_those_of_all_paths():
    """As summed over every path."""
    random = np.random.default_rng(0)
    logits, transitions = random.normal(size=(4, 3)), random.normal(size=(5, 3))
    between, start, end = transitions[:-2], transitions[-2], transitions[-1]
    expected = np.zeros((4, 3))
    for path in itertools.product(range(3), repeat=4):
        score = start[path[0]] + end[path[-1]] + logits[range(4), path].sum()
        score += sum(between[a, b] for a, b in itertools.pairwise(path))
        expected[range(4), path] += np.exp(score)
    found = trained_judge.marginals(logits, transitions)
    assert found == pytest.approx(expected / expected[0].sum())


def test_a_training_is_given_neither_the_rows_nor_the_labels_that_it_judges(project, tmp_path):
    write_csv("x.csv", rows_with_mistakes())
    write_csv("y.csv", rows_with_mistakes()[:3])
    parameters = project(files={"train": "x.csv", "validation": "y.csv", "test": "y.csv"})
    with source_rows.open_rows(parameters, str) as rows:
        trained_judge.write_raw(rows, np.flatnonzero(FOLD == 0), tmp_path / "raw")
    raw = arrow.load(tmp_path / "raw")
    assert {split: len(rows) for split, rows in raw.items()} == {"train": 40, "validation": 3}
    assert raw["train"]["text"][:] == [row["text"] for row in rows_with_mistakes()[::2]]
    assert set(raw["train"].column_names) == {"text", "label"}


def test_finished_folds_are_kept_and_others_are_trained(project, monkeypatch, capsys):
    """Probabilities are in the order of the rows, with teachers and several processes left out."""
    write_csv("x.csv", rows_with_mistakes())
    parameters = project(files={"train": "x.csv"})
    train = parameters.train.model_copy(update={"launch": "cpu_2", "teachers": {"big": None}})
    parameters = parameters.model_copy(update={"train": train})
    monkeypatch.setattr(trained_judge, "digest", lambda *_: "0" * 64)
    done, fails, notes = [], True, []

    def judge(parameters, rows, is_held_out, folder):
        assert not parameters.train.teachers
        folder.mkdir()
        if fails and done:
            raise KeyboardInterrupt
        done.append(is_held_out)
        return np.stack([np.flatnonzero(is_held_out)] * 2, 1)

    monkeypatch.setattr(trained_judge, "judge", judge)
    with source_rows.open_rows(parameters, str) as rows:
        with pytest.raises(KeyboardInterrupt):
            trained_judge.out_of_fold(parameters, rows, FOLD, str)
        fails = False
        Path("checkpoints/doubts", "0" * 16, "training-1").rmdir()
        Path("checkpoints/doubts", "0" * 16, "training-0").mkdir()  # killed before it was removed
        found = trained_judge.out_of_fold(parameters, rows, FOLD, notes.append)
        trained_judge.out_of_fold(parameters, rows, FOLD, str)
    assert len(done) == 2
    assert not list(Path("checkpoints/doubts").rglob("training-*"))
    assert found[:, 0].tolist() == list(range(80))
    assert [note.partition(":")[0] for note in notes] == ["train.launch", "train.teachers"]
    out = capsys.readouterr().out
    assert "2 trainings with params.yaml, each on about 40 of 80 rows: about 1 x the time" in out
    assert "an interrupted command continues there: 1 of 2 are left\nfold 2 of 2\n" in out


def test_what_is_kept_is_of_the_same_labels_folds_parameters_and_word_lists(project):
    """And only of these: a temperature, which is another model's, changes nothing."""
    link_code(Path())
    rows = rows_with_mistakes()
    write_csv("x.csv", rows)
    Path("words.txt").write_text("good, fine\n")
    parameters = project(files={"train": "x.csv"})

    def digest(parameters=parameters, fold=FOLD):
        with source_rows.open_rows(parameters, str) as found:
            return trained_judge.digest(trained_judge.for_folds(parameters, str), found, fold)

    def changed(group, **values):
        return parameters.model_copy(
            update={group: getattr(parameters, group).model_copy(update=values)}
        )

    listed = changed("tokenize", synonym_files={"words": "words.txt"})
    found = [
        digest(),
        digest(fold=FOLD[::-1]),
        digest(changed("train", epochs=99.0)),
        digest(listed),
    ]
    Path("words.txt").write_text("good, great\n")
    found.append(digest(listed))
    write_csv("x.csv", [rows[0] | {"label": "bad"}, *rows[1:]])
    found.append(digest())
    assert len(set(found)) == len(found)
    write_csv("x.csv", rows)
    assert digest(changed("evaluate", temperature=2.0)) == found[0]


def test_tags_have_no_linear_judge(project):
    task = {"name": "token_classification", "words": "words", "tags": "tags", "scheme": "IOB2"}
    with pytest.raises(
        InputError, match=r"--judge linear: it judges whole rows .* use --judge trained"
    ):
        doubt_list.find(
            project(task, files={"train": "x.jsonl"}),
            str,
            judge="linear",
            folds=5,
            similarity=None,
            limit=None,
        )
