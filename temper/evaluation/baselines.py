"""Training texts or images, and labels → predictions of models that take seconds to fit."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from temper.evaluation.split_result import LabelSpec

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_ROWS = 50_000  # training rows a baseline learns from; a seeded sample where there are more
MAX_FEATURES = 50_000
THUMBNAIL_SIZE = 16  # side of the images that a linear model sees, px

Texts = Sequence[list[str]]  # one list per column
Inputs = Texts | np.ndarray  # texts, or pixels (rows, values)


def predictions(
    train: Inputs, labels: Any, splits: Mapping[str, Inputs], spec: LabelSpec, seed: int
) -> dict[str, dict[str, Any]]:
    """Fit every baseline on the training split; return predictions by baseline and split.

    Args:
        train: of the training split: texts, one list per column, or pixels.
        labels: its references, shaped as in `SplitResult`.
        splits: inputs of the splits to predict.
        spec: of the task.
        seed: picks the training rows where there are too many.
    """
    num_rows, is_image = labels.shape[0], isinstance(train, np.ndarray)
    if num_rows > MAX_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(num_rows, MAX_ROWS, replace=False))
        if isinstance(train, np.ndarray):
            train = train[rows]
        else:
            train = [[column[i] for i in rows.tolist()] for column in train]
        labels = labels[rows]
    vectorize: Callable[[Any], Any] = (
        (lambda pixels: pixels) if isinstance(train, np.ndarray) else fit_vectorizer(train)
    )
    features = {split: vectorize(inputs) for split, inputs in splits.items()}
    sizes = {split: rows.shape[0] for split, rows in features.items()}
    by_baseline = {constant_name(spec): constant(labels, sizes, spec)}
    train_features = vectorize(train)
    for name, model in (image_estimators() if is_image else text_estimators(spec)).items():
        model.fit(train_features, labels)
        by_baseline[name] = {split: model.predict(rows) for split, rows in features.items()}
    return by_baseline


def constant_name(spec: LabelSpec) -> str:
    return "mean" if spec.metrics == "regression" else "majority"


def constant(labels: Any, sizes: Mapping[str, int], spec: LabelSpec) -> dict[str, Any]:
    """Return the same prediction for every row: the mean, or the majority (of each label)."""
    from scipy.sparse import csr_array

    if spec.metrics == "regression":
        prediction = labels.mean()
    elif spec.metrics == "multi_label":
        row = csr_array(labels.mean(0)[None] > 0.5)
        return {split: row[np.zeros(size, dtype=int)] for split, size in sizes.items()}
    else:
        prediction = np.bincount(labels, minlength=len(spec.label_names)).argmax()
    return {split: np.repeat(np.asarray(prediction)[None], n, 0) for split, n in sizes.items()}


def fit_vectorizer(train: Texts) -> "Callable[[Texts], csr_matrix]":
    """Return a function from texts to TF-IDF of words and word pairs.

    For pairs of texts also their difference and product, so that a linear model can compare.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [text or "" for column in train for text in column]
    options: dict[str, Any] = {"ngram_range": (1, 2), "token_pattern": r"\S+"}
    terms = most_frequent(map(TfidfVectorizer(**options).build_analyzer(), texts))
    vectorizer = TfidfVectorizer(**options, vocabulary=terms).fit(texts)

    def vectorize(texts: Texts) -> Any:
        matrices: list[Any] = [vectorizer.transform(column) for column in texts]
        if len(matrices) == 2:
            first, second = matrices
            matrices += [abs(first - second), first.multiply(second)]
        return hstack(matrices, format="csr")

    return vectorize


def most_frequent(documents: Iterable[Sequence[str]]) -> list[str]:
    """Return the `MAX_FEATURES` most frequent terms, sorted; of equally frequent ones, the first.

    scikit-learn's `max_features` breaks ties by an argsort that is not stable, so that the CPU's
    vector width decides (docs/adr/0020).
    """
    counts = Counter(term for document in documents for term in document)
    return sorted(sorted(counts, key=lambda term: (-counts[term], term))[:MAX_FEATURES])


def thumbnail_pixels(feature: Any) -> np.ndarray:
    """Return an encoded image's pixels, `THUMBNAIL_SIZE` a side, between 0 and 1."""
    from PIL import Image

    pixels = np.frombuffer(feature["pixel_values"], np.uint8).reshape(feature["shape"])
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    image = Image.fromarray(pixels.transpose(1, 2, 0)).resize(size)
    return np.asarray(image, dtype=np.float32).ravel() / 255


def image_estimators() -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    return {"pixel_logistic_regression": LogisticRegression(C=0.01, max_iter=1000)}


def text_estimators(spec: LabelSpec) -> dict[str, Any]:
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
