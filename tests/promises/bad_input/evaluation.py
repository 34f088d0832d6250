"""Determinism, averaged weights, scores and what an export may lose."""

from tests.promises.bad_input import ABSENT, BadInput, changed

ZERO_SHOT = {"name": "sample", "template": "This is {}."}


def averaged(**values):
    return {"train.weight_averaging": values}


def compared(**values):
    return {"evaluate.zero_shot": {"a": ZERO_SHOT | values}}


def point(label="equivalent", **values):
    return {"evaluate.operating_point": {"label": label} | values}


CASES = (
    changed("determinism.num_threads", 0, "greater than or equal to 1", "found 0"),
    changed("determinism.portable", "haswell", "boolean", "found 'haswell'"),
    changed("determinism.portable", ABSENT, "determinism.portable: missing"),
    changed(
        "determinism.isa",
        "avx2",
        "determinism.isa: unknown key",
        "num_threads, portable, deterministic",
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
    changed("train.model_soup_size", 1, "greater than or equal to 2"),
    changed("train.keep_checkpoints", "newest", "'best', 'last' or 'all'", "found 'newest'"),
    changed("train.metric_for_best_model", "rouge1", "no metric 'rouge1'", "accuracy"),
    changed("train.evaluate_every", "never", "'epoch'", "found 'never'"),
    changed("evaluate.bootstrap_samples", 0, "greater than or equal to 1", "found 0"),
    changed("evaluate.bootstrap_samples", 1.5, "valid integer", "found 1.5"),
    changed("evaluate.num_worst_examples", -1, "greater than or equal to 0", "found -1"),
    changed("evaluate.slices", "genre", "valid array", "found 'genre'"),
    changed(
        "evaluate.slices",
        ["genre"],
        "evaluate.slices: names 'genre'",
        "add it to data.extra_columns",
    ),
    changed(
        "evaluate.metrics",
        ["accuracy"],
        "evaluate.metrics: 'accuracy' is not module.name of a file under `code`",
    ),
    BadInput(
        name="metric-that-its-module-lacks",
        changes={"code": {"mine": "mine.py"}, "evaluate.metrics": ["mine.f9"]},
        files={"mine.py": "def f1(predictions, references):\n    return {}\n"},
        says=("evaluate.metrics: mine.py has no function or class 'f9'", "there are f1"),
    ),
    changed(
        "evaluate.span_decoding",
        {"n_best": 3, "max_answer_length": 3},
        "evaluate.span_decoding: has no effect here with sequence_classification",
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
    changed(
        "evaluate.abstain",
        {"coverage": 1.2},
        "evaluate.abstain.coverage",
        "less than or equal to 1",
        "found 1.2",
    ),
    changed(
        "evaluate.abstain",
        {"coverage": 0.9},
        "evaluate.abstain: has no effect here with token_classification",
        recipe="sample-token_classification",
    ),
    changed("evaluate.temperature", 0, "greater than 0", "found 0"),
    changed("evaluate.temperature", "auto", "'tuned'", "found 'auto'"),
    changed("export.max_score_drop", ABSENT, "export.max_score_drop: missing; int8: true needs it"),
    changed("export.max_score_drop", -0.1, "greater than or equal to 0", "found -0.1"),
    changed("export.max_score_drop", 2, "less than or equal to 1", "found 2"),
    changed("export.name", "", "at least 1 character"),
)
