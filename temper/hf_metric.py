"""Logits and references → temper's scores, as an `evaluate.Metric`, for use outside the pipeline.

`evaluate.load("temper/hf_metric.py", "regression").compute(predictions=…, references=…)`
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from temper import metrics


class TemperMetrics(evaluate.Metric):
    """All metrics of one of `temper.metrics.LOGIT_MODULES`, which the configuration names."""

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        numbers = datasets.Sequence(number)
        references = numbers if self.config_name == "multi_label" else number
        return evaluate.MetricInfo(
            description="Every score temper computes for labels or numbers.",
            citation="",
            inputs_description="predictions: logits (rows, outputs); references: as in the data",
            features=datasets.Features({"predictions": numbers, "references": references}),
        )

    def _compute(
        self, *, predictions: Any = None, references: Any = None, **options: Any
    ) -> dict[str, float]:
        targets = np.asarray(references)
        if self.config_name == "classification":
            targets = targets.astype(int)
        return metrics.compute_from_logits(
            str(self.config_name), np.asarray(predictions), targets, **options
        )
