"""Parameters that had another name in an earlier version → the name they have now."""

from typing import Any

RENAMED = {  # dotted keys
    "data.columns": "data.extra_columns",
    "evaluate.answers": "evaluate.span_decoding",
    "evaluate.num_worst": "evaluate.num_worst_examples",
    "export.max_accuracy_drop": "export.max_score_drop",
    "model.own": "model.custom_class",
    "tokenize.files": "tokenize.synonym_files",
    "tokenize.long": "tokenize.overflow",
    "tokenize.pool": "tokenize.window_pooling",
    "train.averaging": "train.weight_averaging",
    "train.best_metric": "train.metric_for_best_model",
    "train.early_stopping.min_gain": "train.early_stopping.min_delta",
    "train.eval_batch_size": "train.per_device_eval_batch_size",
    "train.keep": "train.keep_checkpoints",
    "train.schedule": "train.lr_scheduler_type",
    "train.schedule_options": "train.lr_scheduler_kwargs",
    "train.soup": "train.model_soup_size",
}


def with_current_names(tree: Any) -> tuple[Any, dict[str, str]]:
    """Rename keys of an earlier version in nested groups.

    Args:
        tree: what a params.yaml or a stored export holds; it is not changed.

    Returns:
        The groups with current names, and the dotted old names in the tree with the current ones. A
        key that is there under both names keeps its current one.
    """
    renamed: dict[str, str] = {}

    def walk(group: Any, prefix: str) -> Any:
        if not isinstance(group, dict):
            return group
        values: dict[Any, Any] = {}
        for key, value in group.items():
            dotted = f"{prefix}{key}"
            current = RENAMED.get(dotted, dotted).rpartition(".")[2]
            if dotted in RENAMED:
                renamed[dotted] = RENAMED[dotted]
                if current in group:
                    continue
            values[current if dotted in RENAMED else key] = walk(value, f"{dotted}.")
        return values

    return walk(tree, ""), renamed
