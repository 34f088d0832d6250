"""What the tasks share that give an image or a clip one label."""

import numpy as np

from temper.tasks.base import Outputs, Task, decisions, label_predictions
from temper.tasks.base.arrays import Columns, ComputeMetrics, Logits, Rows, Scores


class SingleLabelTask(Task):
    """A task whose logits, one per label, are its outputs."""

    def score(self, outputs: Logits, features: Rows, compute_metrics: ComputeMetrics) -> Scores:
        positive = self.settings.evaluate.positive_label
        return compute_metrics(
            np.asarray(outputs, dtype=np.float64),
            np.asarray(features["labels"]),
            positive=label_predictions.positive_id(positive, self.label_names),
        )

    def decode(self, outputs: Outputs, features: Rows, examples: Rows, processor: object) -> list:
        """Return the logits of each example."""
        return list(outputs["logits"])

    def prediction_columns(
        self, outputs: Outputs, features: Rows, examples: Rows, processor: object
    ) -> Columns:
        rule = decisions.read(self.settings.evaluate, self.label_names, several=False)
        return label_predictions.prediction_columns(
            outputs["logits"], self.label_names, "class", rule
        )
