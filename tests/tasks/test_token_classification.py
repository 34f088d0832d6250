"""Words keep their tags, and tags follow their scheme."""

import itertools
from functools import partial

import numpy as np
import pytest

from temper import inference, metrics
from temper.tasks.base import tags
from temper.tasks.base.arrays import as_rows
from tests.helpers.samples import ODD, load


@pytest.mark.parametrize("long", ["truncate", "window"])
def test_words_keep_their_tags(long):
    """A word's label is on its first token once, and windows lose no word."""
    stride = {"tokenize__stride": 4} if long == "window" else {}
    task, processor, _ = load(
        "recipes/sample-token_classification.yaml",
        tokenize__overflow=long,
        tokenize__max_length=16,
        **stride,
    )
    task.label_names = ["O", "B-PER", "I-PER"]
    words = [word for text in ODD for word in (text.split() or [""])] * 4
    tags = [i % 2 for i in range(len(words))]
    given = {"words": [words, ["Anna"], []], "tags": [tags, [1], []]}
    columns = task.encode(given, processor, mode="evaluate")
    names = ("example_id", "word_ids", "labels", "input_ids")
    places = [
        (example, word, label)
        for example, ids, labels, tokens in zip(*(columns[n] for n in names), strict=True)
        for word, label, _ in zip(ids, labels, tokens, strict=False)
        if word >= 0
    ]
    assert len({place[:2] for place in places}) == len(places)
    assert all(label == given["tags"][example][word] for example, word, label in places)
    has_tokens = {i for i, w in enumerate(words) if processor.tokenize(w)}
    seen = {word for example, word, _ in places if example == 0}
    assert seen == has_tokens if long == "window" else seen < has_tokens
    rows = as_rows(columns)
    logits = [np.eye(3)[np.clip(row["labels"][: row["length"]], 0, 2)] * 9 for row in rows]
    examples = inference.RowList({"words": row} for row in given["words"])
    found = task.decode({"logits": logits}, inference.RowList(rows), examples, processor)
    assert [len(row) for row in found] == [len(row) for row in given["words"]]
    kept = []
    for i, tag in enumerate(tags):
        goes_on = i < max(seen) and i and kept[-1] != "O"
        kept.append(task.label_names[tag] if i in seen else "I-PER" if goes_on else "O")
    assert found[0] == kept


@pytest.mark.parametrize("long", ["truncate", "window"])
def test_training_scores_a_split_as_evaluate_does(long):
    """Words without a token, cut-off words and words of other windows count in both."""
    stride = {"tokenize__stride": 2} if long == "window" else {}
    task, processor, _ = load(
        "recipes/sample-token_classification.yaml",
        tokenize__overflow=long,
        tokenize__max_length=8,
        **stride,
    )
    task.label_names = ["O", "B-PER", "I-PER"]
    random = np.random.default_rng(5)
    words = [["Anna", "\u200b", "met", "\u200b", *"abcdefgh"[:n], "\u200b"] for n in range(8)]
    tags = [random.choice(3, len(row), p=(0.3, 0.4, 0.3)).tolist() for row in words]
    columns = task.encode({"words": words, "tags": tags}, processor, mode="evaluate")
    features = inference.RowList.of_columns(columns)
    logits = [random.normal(size=(len(row["input_ids"]), 3)) for row in features]
    compute = partial(metrics.compute_from_predictions, "entities")
    trained = task.score(logits, features, compute)
    examples = inference.RowList({"words": w, "tags": t} for w, t in zip(words, tags, strict=True))
    decoded = task.decode({"logits": logits}, features, examples, processor)
    evaluated = compute(decoded, task.references(examples))
    assert {name: trained[name] for name in evaluated} == evaluated
    assert 0 < evaluated["f1"] < 1


def test_a_word_without_a_token_continues_its_entity():
    """It stays in the entity, a finished one has no more words, and unread words are outside."""
    task, processor, _ = load("recipes/sample-token_classification.yaml", tokenize__max_length=6)
    task.label_names = ["O", "B-PER", "I-PER"]
    words = ["\u200b", "the", "\u200b", "\u200b", "in", "\u200b", "the"]
    for given, expected in (
        (words, ["O", "B-PER", "I-PER", "I-PER", "O", "O", "B-PER"]),
        (["the", "the", "in", "the", "a", "a"], ["B-PER", "B-PER", "O", "B-PER", "O", "O"]),
    ):
        columns = task.encode({"words": [given]}, processor, mode="predict")
        ids = columns["word_ids"][0]
        logits = [np.eye(3)[[int(w >= 0 and given[w] == "the") for w in ids]] * 9]
        features = inference.RowList([{name: values[0] for name, values in columns.items()}])
        examples = inference.RowList([{"words": given}])
        assert task.decode({"logits": logits}, features, examples, processor) == [expected]
    assert [tags.continuation(tag) for tag in ("I-X", "E-X", "S-X", "NOUN", "O")] == [
        "I-X", "O", "O", "O", "O",
    ]  # fmt: skip


def test_tags_follow_their_scheme():
    """Viterbi is compared with every legal path, in three schemes."""
    random = np.random.default_rng(3)
    names = ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y"]
    for scheme in ("IOB1", "IOB2", "BIOES"):
        known = names if scheme == "BIOES" else [n for n in names if n[0] in "OBI"]
        for _ in range(5):
            scores = random.normal(size=(4, len(known)))
            legal = [
                path
                for path in itertools.product(range(len(known)), repeat=4)
                if all(
                    tags.is_allowed(
                        known[b] if b is not None else None,
                        known[a] if a is not None else None,
                        scheme,
                    )
                    for a, b in itertools.pairwise((None, *path, None))
                )
            ]
            best = max(legal, key=lambda path: scores[range(4), path].sum())
            assert tags.viterbi_path(scores, known, scheme) == list(best)
    assert not tags.is_allowed("I-X", "O", "IOB2")
    assert tags.is_allowed("I-X", "O", "IOB1")
    assert not tags.is_allowed(None, "B-X", "BIOES")


def test_entities_are_those_of_seqeval():
    """Of any sequence of tags, also of none that a scheme allows; types may have hyphens."""
    from seqeval.metrics.sequence_labeling import get_entities

    names = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("PER", "A-B"))]
    random = np.random.default_rng(3)
    for length in (0, 1, 2, *[9] * 500):
        drawn = [names[i] for i in random.integers(len(names), size=length)]
        assert tags.entities(drawn) == get_entities(drawn), drawn
    assert tags.entities(["B", "I", "O", "I"]) == get_entities(["B", "I", "O", "I"])
