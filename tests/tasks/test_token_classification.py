"""Words keep their tags, and tags follow their scheme."""

import itertools

import numpy as np
import pytest

from temper import inference
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
    places = [
        (example, word, label)
        for example, ids, labels in zip(
            *(columns[n] for n in ("example_id", "word_ids", "labels")), strict=True
        )
        for word, label in zip(ids, labels, strict=True)
        if word >= 0
    ]
    assert len({place[:2] for place in places}) == len(places)
    assert all(label == given["tags"][example][word] for example, word, label in places)
    has_tokens = {i for i, w in enumerate(words) if processor.tokenize(w)}
    seen = {word for example, word, _ in places if example == 0}
    assert seen == has_tokens if long == "window" else seen < has_tokens
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    logits = [np.eye(3)[np.clip(row["labels"], 0, 2)] * 9 for row in rows]
    examples = inference.RowList({"words": row} for row in given["words"])
    found = task.decode({"logits": logits}, inference.RowList(rows), examples, processor)
    assert [len(row) for row in found] == [len(row) for row in given["words"]]
    kept = [task.label_names[tag] if i in seen else "O" for i, tag in enumerate(tags)]
    assert found[0] == kept


def test_tags_follow_their_scheme():
    """Viterbi is compared with every legal path, in three schemes."""
    from temper.tasks.base import crf
    from temper.tasks.base import tags as module

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
                    module.is_allowed(
                        known[b] if b is not None else None,
                        known[a] if a is not None else None,
                        scheme,
                    )
                    for a, b in itertools.pairwise((None, *path, None))
                )
            ]
            best = max(legal, key=lambda path: scores[range(4), path].sum())
            assert crf.viterbi_path(scores, known, scheme) == list(best)
    assert not module.is_allowed("I-X", "O", "IOB2")
    assert module.is_allowed("I-X", "O", "IOB1")
    assert not module.is_allowed(None, "B-X", "BIOES")
