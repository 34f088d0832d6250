"""Determinism, averaged weights, scores and what an export may lose."""

from tests.promises.bad_input import ABSENT, BadInput, changed


def averaged(**values):
    return {"train.weight_averaging": values}


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
        "evaluate.metrics",
        ["accuracy"],
        "evaluate.metrics: 'accuracy' is not module.name of a file under `code`",
    ),
    changed(
        "evaluate.span_decoding",
        {"n_best": 3, "max_answer_length": 3},
        "evaluate.span_decoding: has no effect here with sequence_classification",
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
