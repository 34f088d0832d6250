"""Every parameter that only some tasks have changes what it says it changes."""

import numpy as np
import pytest

from temper import inference
from temper.params import schema
from temper.prediction import generation
from temper.tasks.base import spans
from tests.helpers.samples import load

SEQ2SEQ = "recipes/sample-seq2seq_lm.yaml"
SPOKEN = ["we meet at ten past three on day nine of May", "a ticket for day two of June"]


def test_spans_are_sought_among_the_n_best_and_not_too_long():
    """The best start and end are far apart: a longer limit or more candidates find other spans."""
    logits = np.zeros((2, 8))
    logits[0, [1, 5]], logits[1, [7, 6]] = [9, 8], [9, 4]
    places = list(range(8))

    def best(n_best, longest):
        return spans.best_span(logits, places, places, n_best, longest)

    assert best(20, 30) == (18.0, 1, 7)
    assert best(20, 4) == (17.0, 5, 7)
    assert best(1, 4) == (-np.inf, 0, 0)
    assert best(2, 2) == (12.0, 5, 6)


@pytest.mark.parametrize(("threshold", "silent"), [(None, False), (50.0, False), (0.0, True)])
def test_silence_has_to_beat_the_best_span(threshold, silent):
    """By more logits than the threshold; null always answers."""
    task, processor, _ = load(
        "recipes/sample-question_answering.yaml",
        evaluate__span_decoding={
            "n_best": 5,
            "max_answer_length": 5,
            "no_answer_threshold": threshold,
        },
    )
    given = {"question": ["Where?"], "context": ["Anna went to Oslo."]}
    columns = task.encode(given, processor, mode="evaluate")
    rows = inference.Features([{name: values[0] for name, values in columns.items()}])
    logits = np.zeros((2, len(rows[0]["input_ids"])))
    logits[:, 0], logits[:, -3] = 9.0, 3.0
    examples = inference.Features([{name: values[0] for name, values in given.items()}])
    (answer,) = task.decode({"logits": [logits]}, rows, examples, processor)
    assert (answer == "") is silent


def test_masks_of_tokens_split_words():
    """With whole_word off some word is hidden in part; more probability hides more."""
    texts = {"sentence1": ["Xylophonists unquestionably juxtaposed bricklayers."]}

    def hidden(**changes):
        task, processor, config = load("recipes/sample-masked_lm.yaml", **changes)
        columns = task.encode(texts, processor, mode="evaluate")
        row, words = {n: v[0] for n, v in columns.items()}, np.array(columns["word_ids"][0])
        collate = task.collator(processor, config)
        batches = [collate([row | {"draw": (0, 1, i)}])["labels"][0] for i in range(30)]
        return [batch[: len(words)] != -100 for batch in batches], words

    parts, words = hidden(task__whole_word=False)
    assert any(len(set(chosen[words == w])) == 2 for chosen in parts for w in set(words) - {-1})
    shares = [
        np.mean(hidden(task__mask_probability=p, task__whole_word=False)[0]) for p in (0.1, 0.5)
    ]
    assert shares[0] < 0.3 < shares[1]


def test_sources_get_their_prefix_and_targets_their_length():
    """T5's instruction stands first; targets are cut."""
    plain, processor, _ = load(SEQ2SEQ)
    task, _, _ = load(SEQ2SEQ, task__prefix="we meet at ", tokenize__max_target_length=4)
    given = {"spoken": ["ten past three"], "written": ["the shop closes at 3:10 on May 9"]}
    one, other = (t.encode(given, processor, mode="train") for t in (plain, task))
    assert other["input_ids"][0] == processor("we meet at ten past three")["input_ids"]
    assert len(one["labels"][0]) > len(other["labels"][0]) == 4


def test_a_stem_begins_every_choice():
    """The tokens of a choice are those of stem and choice together."""
    task, processor, _ = load("recipes/sample-multiple_choice.yaml", task__choices=["ends"])
    given = {"context": ["Anna came."], "stem": ["The visitor"], "ends": [["left", "stayed"]]}
    columns = task.encode(given, processor, mode="evaluate")
    expected = processor("Anna came.", "The visitor stayed")["input_ids"]
    assert columns["input_ids"][0][1] == expected


@pytest.fixture(scope="module")
def writer():
    """Return a function from generation parameters to what a T5 of random weights writes."""
    import torch
    from transformers import AutoModelForSeq2SeqLM

    task, processor, config = load(SEQ2SEQ)
    torch.manual_seed(2)
    model = AutoModelForSeq2SeqLM.from_config(config)
    columns = task.encode({"spoken": SPOKEN}, processor, mode="predict")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def write(**changes) -> list[list[int]]:
        defaults = {"num_beams": 1, "length_penalty": 1.0, "no_repeat_ngram_size": 0}
        settings = schema.Generation(**{"max_new_tokens": 12} | defaults | changes)
        write = generation.torch_writer(model, settings, processor)
        found = generation.generate(write, inference.Features(rows), task, processor, 2)
        return [row.tolist() for _, written in found for row in written]

    return write


def test_generation_parameters_change_what_is_written(writer):
    """Its length, the search, and repetition."""
    assert [len(row) for row in writer(max_new_tokens=5)] == [5, 5]
    plain = writer()
    assert all(len(row) > len(set(row)) for row in plain)  # random weights repeat themselves
    assert all(len(row) == len(set(row)) for row in writer(no_repeat_ngram_size=1))
    assert writer(num_beams=4) != plain


def test_length_penalty_chooses_among_beams(writer):
    """Below 0 short texts are favoured, above 0 long ones."""
    short, long = (writer(num_beams=6, max_new_tokens=20, length_penalty=p) for p in (-9.0, 9.0))
    assert sum(map(len, short)) < sum(map(len, long))


def test_a_graph_that_writes_greedily_refuses_beams(writer):
    """One error, and what to use instead."""
    settings = schema.Generation(
        max_new_tokens=5, num_beams=2, length_penalty=1.0, no_repeat_ngram_size=0
    )

    class Session:
        def get_inputs(self):
            return []

    with pytest.raises(ValueError, match="use --engine torch"):
        generation.onnx_writer(Session(), settings, None, None)
