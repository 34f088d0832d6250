"""Training texts and labels → predictions of models that cost seconds, to judge a score by."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from temper.evaluation.split_result import LabelSpec

MAX_ROWS = 50_000  # training rows a baseline learns from; a seeded sample where there are more
MAX_FEATURES = 50_000
SMALL = 16  # side of the images that a linear model sees, px

Inputs = Any  # one list of texts per column, or pixels (rows, values)
Texts = Sequence[Sequence[str]]


def predictions(
    train: Inputs, labels: Any, others: dict[str, Inputs], spec: LabelSpec, seed: int
) -> dict[str, dict[str, Any]]:
    """Fit every baseline on the training split; return predictions by baseline and split.

    Args:
        train: of the training split: texts, one list per column, or pixels.
        labels: its references, shaped as in `Scored`.
        others: likewise of the splits to predict.
        setup: of the task.
        seed: picks the rows where there are too many.
    """
    num_rows, is_image = labels.shape[0], isinstance(train, np.ndarray)
    if num_rows > MAX_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(num_rows, MAX_ROWS, replace=False))
        train = train[chosen] if is_image else [[column[i] for i in chosen] for column in train]
        labels = labels[chosen]
    vectorize = (lambda pixels: pixels) if is_image else fit_features(train)
    inputs = {split: vectorize(rows) for split, rows in others.items()}
    sizes = {split: rows.shape[0] for split, rows in inputs.items()}
    found = {constant_name(spec): constant(labels, sizes, spec)}
    known = vectorize(train)
    for name, model in (pixel_estimators() if is_image else estimators(spec)).items():
        model.fit(known, labels)
        found[name] = {split: model.predict(rows) for split, rows in inputs.items()}
    return found


def constant_name(spec: LabelSpec) -> str:
    return "mean" if spec.metrics == "regression" else "majority"


def constant(labels: Any, rows: dict[str, int], spec: LabelSpec) -> dict[str, Any]:
    """Return the same answer for every row: the mean, or the most frequent label (of each)."""
    from scipy.sparse import csr_array

    if spec.metrics == "regression":
        answer = labels.mean()
    elif spec.metrics == "multi_label":
        answer = csr_array(labels.mean(0)[None] > 0.5)
        return {split: answer[np.zeros(count, dtype=int)] for split, count in rows.items()}
    else:
        answer = np.bincount(labels, minlength=len(spec.names)).argmax()
    return {split: np.repeat(np.asarray(answer)[None], count, 0) for split, count in rows.items()}


def fit_features(train: Texts) -> Callable[[Texts], Any]:
    """Return a function from texts to TF-IDF of words and word pairs.

    For pairs of texts also their difference and product, so that a linear model can compare.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), max_features=MAX_FEATURES, token_pattern=r"\S+"
    )
    vectorizer.fit([text or "" for column in train for text in column])

    def vectorize(texts: Texts) -> Any:
        parts = [vectorizer.transform(column) for column in texts]
        if len(parts) == 2:
            parts += [abs(parts[0] - parts[1]), parts[0].multiply(parts[1])]
        return hstack(parts, format="csr")

    return vectorize


def small(row: Any) -> np.ndarray:
    """Return an encoded image's pixels, `SMALL` a side, between 0 and 1."""
    from PIL import Image

    pixels = np.frombuffer(row["pixel_values"], np.uint8).reshape(row["shape"])
    image = Image.fromarray(pixels.transpose(1, 2, 0)).resize((SMALL, SMALL))
    return np.asarray(image, dtype=np.float32).ravel() / 255


def pixel_estimators() -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    return {"pixel_logistic_regression": LogisticRegression(C=0.01, max_iter=1000)}


def estimators(spec: LabelSpec) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import MultinomialNB

    if spec.metrics == "regression":
        return {"tfidf_ridge": Ridge(solver="lsqr")}
    logistic, bayes = LogisticRegression(max_iter=300), MultinomialNB()
    if spec.metrics == "multi_label":
        return {
            "tfidf_logistic_regression": OneVsRestClassifier(logistic),
            "naive_bayes": OneVsRestClassifier(bayes),
        }
    return {"tfidf_logistic_regression": logistic, "naive_bayes": bayes}
