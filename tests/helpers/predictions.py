"""Predictions as evaluate writes them, with their scores."""

import numpy as np


def predictions_of(kind, random):
    """Return predictions rows as strings, and the scores of all rows by the metrics' own code."""
    from temper import metrics

    if kind == "regression":
        found, wanted = random.normal(size=(2, 50)).round(4)
        rows = [
            {"reference": f"{w}", "prediction": f"{p}", "score": f"{p}"}
            for p, w in zip(found, wanted, strict=True)
        ]
        return rows, metrics.compute_from_logits(kind, found, wanted)
    names, logits = ["a", "b", "c"], random.normal(size=(50, 3))
    probabilities = 1 / (1 + np.exp(-logits))
    wanted: np.ndarray = random.random((50, 3)) < 0.4
    picked = probabilities >= 0.5
    if kind == "classification":
        probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        wanted = random.integers(0, 3, 50)
        picked, hot = np.eye(3, dtype=bool)[probabilities.argmax(-1)], np.eye(3, dtype=bool)[wanted]
    else:
        hot = wanted
    texts = lambda row: "|".join(name for name, is_it in zip(names, row, strict=True) if is_it)  # noqa: E731
    rows = [
        {
            "reference": texts(hot[i]),
            "prediction": texts(picked[i]),
            "score": f"{probabilities[i].max():.6f}",
            **{f"score_{name}": f"{probabilities[i, j]:.6f}" for j, name in enumerate(names)},
        }
        for i in range(50)
    ]
    return rows, metrics.compute_from_logits(kind, logits, wanted)
