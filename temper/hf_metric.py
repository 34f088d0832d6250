"""Logits and references → temper's scores, as an `evaluate.Metric`, for use outside the pipeline.

`evaluate.load("temper/hf_metric.py", "regression").compute(predictions=…, references=…)`
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from temper import metrics

IS_LIST = {  # configuration → whether a row's predictions are a list, and its references
    "classification": (True, False),
    "multi_label": (True, True),
    "regression": (True, False),
}


class TemperMetrics(evaluate.Metric):
    """All metrics of one module of `temper.metrics`, which the configuration names."""

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        predictions, references = (
            datasets.Sequence(number) if is_list else number
            for is_list in IS_LIST[str(self.config_name)]
        )
        return evaluate.MetricInfo(
            description="Every score temper computes for labels or numbers.",
            citation="",
            inputs_description="predictions: logits (rows, outputs); references: as in the data",
            features=datasets.Features({"predictions": predictions, "references": references}),
        )

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, float]:
        targets = np.asarray(references)
        if self.config_name == "classification":
            targets = targets.astype(int)
        return metrics.compute_from_logits(
            str(self.config_name), np.asarray(predictions), targets, **options
        )
