"""Logits and references → temper's scores, as an `evaluate.Metric`, for use outside the pipeline.

`evaluate.load("temper/hf_metric.py", "regression").compute(predictions=…, references=…)`
"""

from typing import Any

import datasets
import evaluate
import numpy as np

from temper import metrics

SHAPES = {
    "classification": (True, False),
    "multi_label": (True, True),
    "regression": (True, False),
}


class Module(evaluate.Metric):
    """All metrics of one module; the configuration's name is the module."""

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        of = [datasets.Sequence(number) if wide else number for wide in SHAPES[self.config_name]]
        return evaluate.MetricInfo(
            description="Every score temper computes for labels of one kind.",
            citation="",
            inputs_description="predictions: logits (rows, outputs); references as in the data",
            features=datasets.Features({"predictions": of[0], "references": of[1]}),
        )

    def _compute(self, predictions: Any, references: Any, **options: Any) -> dict[str, float]:
        wanted = np.asarray(references)
        if self.config_name == "classification":
            wanted = wanted.astype(int)
        return metrics.compute_from_logits(str(self.config_name), np.asarray(predictions), wanted, **options)
