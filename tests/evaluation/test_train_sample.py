"""The rows of train that are scored as a split."""

from datasets import Dataset, load_from_disk

from temper.evaluation import train_sample


def test_windows_are_renumbered_and_no_file_is_written(tmp_path):
    """The folder of the features is a dependency of the stage."""
    num_rows = train_sample.MAX_SCORED + 200
    ids = [i for i in range(num_rows) for _ in range(2)]  # two windows each
    Dataset.from_dict({"example_id": ids, "of": ids}).save_to_disk(tmp_path / "tokenized")
    before = sorted(tmp_path.rglob("*"))
    features, examples = train_sample.select(
        load_from_disk(tmp_path / "tokenized"),
        Dataset.from_dict({"row": range(num_rows)}),
        train_sample.MAX_SCORED,
        seed=1,
    )
    assert sorted(tmp_path.rglob("*")) == before
    rows = list(examples["row"])
    assert len(rows) == train_sample.MAX_SCORED
    assert list(features["example_id"]) == [i for i in range(len(rows)) for _ in range(2)]
    assert [rows[i] for i in features["example_id"]] == list(features["of"])
