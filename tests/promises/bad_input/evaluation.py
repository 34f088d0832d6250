"""Determinism, averaged weights, scores and what an export may lose."""

from tests.promises.bad_input import ABSENT, BadInput, changed


def averaged(*says, **values):
    return changed("train.weight_averaging", values, *says)


def point(*says, label="equivalent", **values):
    return changed("evaluate.operating_point", {"label": label} | values, *says)


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
    averaged("averaging.kind", "'ema', 'last' or 'best'", "found 'swa'", kind="swa"),
    averaged("averaging.count", "greater than or equal to 2", "found 1", kind="best", count=1),
    averaged("weight_averaging.decay is needed for ema", kind="ema"),
    averaged("averaging.decay", "less than 1", "found 1.0", kind="ema", decay=1.0),
    averaged("count has no effect with ema", "remove it", kind="ema", decay=0.9, count=3),
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
    point(
        "operating_point needs exactly one of precision, recall, false_positive_rate, ",
        "found precision and recall",
        precision=0.9,
        recall=0.9,
    ),
    point("operating_point needs exactly one of", "found none"),
    point("point.precision", "less than or equal to 1", "found 98", precision=98),
    point("label: 'equivalnt' is not a label", "'equivalent'", label="equivalnt", recall=0.9),
    BadInput(
        name="operating-point-of-a-number",
        changes={
            "evaluate.operating_point": {"label": "equivalent", "recall": 0.9},
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
