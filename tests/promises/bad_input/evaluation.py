"""Determinism, averaged weights, scores and what an export may lose."""

from tests.promises.bad_input import ABSENT, BadInput

ZERO_SHOT = {"name": "sample", "template": "This is {}."}


def averaged(**values):
    return {"train.weight_averaging": values}


def compared(**values):
    return {"evaluate.zero_shot": {"a": ZERO_SHOT | values}}


def point(label="equivalent", **values):
    return {"evaluate.operating_point": {"label": label} | values}


CASES = (
    BadInput(
        name="no-threads",
        changes={"determinism.num_threads": 0},
        says=("determinism.num_threads", "greater than or equal to 1", "found 0"),
    ),
    BadInput(
        name="portable-names-a-cpu",
        changes={"determinism.portable": "haswell"},
        says=("determinism.portable", "boolean", "found 'haswell'"),
    ),
    BadInput(
        name="portable-is-missing",
        changes={"determinism.portable": ABSENT},
        says=("determinism.portable: missing",),
    ),
    BadInput(
        name="instruction-set-by-name",
        changes={"determinism.isa": "avx2"},
        says=("determinism.isa: unknown key", "num_threads, portable, deterministic"),
    ),
    BadInput(
        name="unknown-kind-of-average",
        changes=averaged(kind="swa"),
        says=("train.weight_averaging.kind", "'ema', 'last' or 'best'", "found 'swa'"),
    ),
    BadInput(
        name="average-of-one",
        changes=averaged(kind="best", count=1),
        says=("train.weight_averaging.count", "greater than or equal to 2", "found 1"),
    ),
    BadInput(
        name="average-without-a-count",
        changes=averaged(kind="last"),
        says=("weight_averaging.count is needed for last",),
    ),
    BadInput(
        name="average-of-more-than-there-are",
        changes=averaged(kind="last", count=99),
        says=("count is 99, but training evaluates 2 times", "train.evaluate_every"),
    ),
    BadInput(
        name="moving-average-without-decay",
        changes=averaged(kind="ema"),
        says=("weight_averaging.decay is needed for ema",),
    ),
    BadInput(
        name="moving-average-that-never-moves",
        changes=averaged(kind="ema", decay=1.0),
        says=("train.weight_averaging.decay", "less than 1", "found 1.0"),
    ),
    BadInput(
        name="moving-average-with-a-count",
        changes=averaged(kind="ema", decay=0.9, count=3),
        says=("weight_averaging.count has no effect with ema", "remove it"),
    ),
    BadInput(
        name="soup-of-one",
        changes={"train.model_soup_size": 1},
        says=("train.model_soup_size", "greater than or equal to 2"),
    ),
    BadInput(
        name="unknown-checkpoints-kept",
        changes={"train.keep_checkpoints": "newest"},
        says=("train.keep_checkpoints", "'best', 'last' or 'all'", "found 'newest'"),
    ),
    BadInput(
        name="metric-of-another-task",
        changes={"train.metric_for_best_model": "rouge1"},
        says=("train.metric_for_best_model", "no metric 'rouge1'", "accuracy"),
    ),
    BadInput(
        name="never-evaluated",
        changes={"train.evaluate_every": "never"},
        says=("train.evaluate_every", "'epoch'", "found 'never'"),
    ),
    BadInput(
        name="no-resamples",
        changes={"evaluate.bootstrap_samples": 0},
        says=("evaluate.bootstrap_samples", "greater than or equal to 1", "found 0"),
    ),
    BadInput(
        name="part-of-a-resample",
        changes={"evaluate.bootstrap_samples": 1.5},
        says=("evaluate.bootstrap_samples", "valid integer", "found 1.5"),
    ),
    BadInput(
        name="fewer-than-no-worst-examples",
        changes={"evaluate.num_worst_examples": -1},
        says=("evaluate.num_worst_examples", "greater than or equal to 0", "found -1"),
    ),
    BadInput(
        name="slices-as-a-text",
        changes={"evaluate.slices": "genre"},
        says=("evaluate.slices", "valid array", "found 'genre'"),
    ),
    BadInput(
        name="slices-of-no-column",
        changes={"evaluate.slices": ["genre"]},
        says=("evaluate.slices: names 'genre'", "add it to data.extra_columns"),
    ),
    BadInput(
        name="metric-without-a-module",
        changes={"evaluate.metrics": ["accuracy"]},
        says=("evaluate.metrics: 'accuracy' is not module.name of a file under `code`",),
    ),
    BadInput(
        name="metric-that-its-module-lacks",
        changes={"code": {"mine": "mine.py"}, "evaluate.metrics": ["mine.f9"]},
        files={"mine.py": "def f1(predictions, references):\n    return {}\n"},
        says=("evaluate.metrics: mine.py has no function or class 'f9'", "there are f1"),
    ),
    BadInput(
        name="spans-of-a-classifier",
        changes={"evaluate.span_decoding": {"n_best": 3, "max_answer_length": 3}},
        says=("evaluate.span_decoding: has no effect here with sequence_classification",),
    ),
    BadInput(
        name="zero-shot-template-without-a-place",
        changes=compared(template="This is it."),
        says=("evaluate.zero_shot.a", "template 'This is it.' needs one {} for the phrase"),
    ),
    BadInput(
        name="zero-shot-phrase-of-no-label",
        changes=compared(phrases={"same": "x"}),
        says=("evaluate.zero_shot.a.phrases: 'same' is not a label", "not_equivalent, equivalent"),
    ),
    BadInput(
        name="zero-shot-labels-of-one-phrase",
        changes=compared(phrases={"equivalent": "x", "not_equivalent": "x"}),
        says=("'not_equivalent' and 'equivalent' have the same phrase, 'x'",),
    ),
    BadInput(
        name="operating-point-with-two-targets",
        changes=point(precision=0.9, recall=0.9),
        says=(
            "operating_point needs exactly one of precision, recall, false_positive_rate, ",
            "found precision and recall",
        ),
    ),
    BadInput(
        name="operating-point-without-a-target",
        changes=point(),
        says=("operating_point needs exactly one of", "found none"),
    ),
    BadInput(
        name="operating-point-in-percent",
        changes=point(precision=98),
        says=("evaluate.operating_point.precision", "less than or equal to 1", "found 98"),
    ),
    BadInput(
        name="operating-point-of-no-label",
        changes=point(label="equivalnt", recall=0.9),
        says=("evaluate.operating_point.label: 'equivalnt' is not a label", "'equivalent'"),
    ),
    BadInput(
        name="operating-point-of-a-number",
        changes=point(recall=0.9)
        | {
            "task.problem_type": "regression",
            "task.labels": ABSENT,
            "evaluate.positive_label": None,
            "train.metric_for_best_model": "loss",
        },
        says=(
            "evaluate.operating_point: has no effect here with sequence_classification",
            "only where a row as a whole has labels",
        ),
    ),
    BadInput(
        name="abstain-with-a-share-of-all-and-more",
        changes={"evaluate.abstain": {"coverage": 1.2}},
        says=("evaluate.abstain.coverage", "less than or equal to 1", "found 1.2"),
    ),
    BadInput(
        name="abstain-of-tags",
        recipe="sample-token_classification",
        changes={"evaluate.abstain": {"coverage": 0.9}},
        says=("evaluate.abstain: has no effect here with token_classification",),
    ),
    BadInput(
        name="temperature-of-zero",
        changes={"evaluate.temperature": 0},
        says=("evaluate.temperature", "greater than 0", "found 0"),
    ),
    BadInput(
        name="temperature-of-an-unknown-kind",
        changes={"evaluate.temperature": "auto"},
        says=("evaluate.temperature", "'tuned'", "found 'auto'"),
    ),
    BadInput(
        name="int8-without-a-limit",
        changes={"export.max_score_drop": ABSENT},
        says=("export.max_score_drop: missing; int8: true needs it",),
    ),
    BadInput(
        name="int8-that-must-gain",
        changes={"export.max_score_drop": -0.1},
        says=("export.max_score_drop", "greater than or equal to 0", "found -0.1"),
    ),
    BadInput(
        name="int8-that-may-lose-more-than-all",
        changes={"export.max_score_drop": 2},
        says=("export.max_score_drop", "less than or equal to 1", "found 2"),
    ),
    BadInput(
        name="export-without-a-name",
        changes={"export.name": ""},
        says=("export.name", "at least 1 character"),
    ),
)
