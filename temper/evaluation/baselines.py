"""Training texts, images or clips, and labels → predictions of models that take seconds to fit."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from temper.tasks.base import audio
from temper.tasks.base.images import pixels_of

MAX_ROWS = 50_000  # training rows that baselines learn from; a seeded sample where there are more
MAX_FEATURES = 50_000
LINEAR = {  # medium → the linear model's name, and its inverse strength of regularization
    "image": ("pixel_logistic_regression", 0.01),
    "audio": ("spectrum_logistic_regression", 0.1),
}
THUMBNAIL_SIZE = 16  # side of the images that a linear model sees, px
SPECTRUM_RATE = 16_000  # Hz, of the clips whose spectra a linear model sees
FRAME, BANDS = 512, 32  # samples of a frame, and bands of its spectrum

Texts = Sequence[list[str]]  # one list per column
Inputs = Texts | np.ndarray  # texts, or pixels or spectra (rows, values)


def predictions(
    train: Inputs,
    labels: Any,
    splits: Mapping[str, Inputs],
    metrics_module: str,
    medium: str | None = None,
) -> dict[str, dict[str, Any]]:
    """Fit every baseline on training rows; return predictions by baseline and split.

    Args:
        train: texts, one list per column, or pixels or spectra.
        labels: their references: ids or numbers (rows,), or sparse booleans (rows, labels).
        medium: a key of LINEAR; None: texts.
    """
    from threadpoolctl import threadpool_limits

    features: Mapping[str, Any]
    is_array = isinstance(train, np.ndarray)
    train_features, features = (train, splits) if is_array else tfidf(train, splits)
    always, name = constant(labels, metrics_module)
    by_baseline = {
        name: {s: always[np.zeros(rows.shape[0], dtype=int)] for s, rows in features.items()}
    }
    # of sparse features threads share vectors alone, and wait for each other longer than they add
    with threadpool_limits(None if medium else 1, user_api="blas"):
        for name, model in estimators(metrics_module, medium).items():
            model.fit(train_features, labels)
            by_baseline[name] = {split: model.predict(rows) for split, rows in features.items()}
    return by_baseline


def constant(labels: Any, metrics_module: str) -> tuple[Any, str]:
    """Return one row of predictions that serves for every row, and the baseline's name."""
    from scipy.sparse import csr_array

    if metrics_module == "regression":
        return labels.mean(keepdims=True), "mean"
    if metrics_module == "multi_label":
        return csr_array(labels.mean(0)[None] > 0.5), "majority"
    return np.array([np.bincount(labels).argmax()]), "majority"


def estimators(metrics_module: str, medium: str | None) -> dict[str, Any]:
    """Return scikit-learn's models by the baseline's name."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if metrics_module == "regression":
        return {"tfidf_ridge": Ridge(solver="lsqr")}
    if medium is not None:
        name, strength = LINEAR[medium]
        linear = LogisticRegression(C=strength, max_iter=1000)
        return {name: make_pipeline(StandardScaler(), linear) if medium == "audio" else linear}
    logistic, bayes = LogisticRegression(max_iter=300), MultinomialNB()
    if metrics_module == "multi_label":
        logistic, bayes = OneVsRestClassifier(logistic), OneVsRestClassifier(bayes)
    return {"tfidf_logistic_regression": logistic, "naive_bayes": bayes}


def tfidf(train: Texts, splits: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return sparse TF-IDF of words and word pairs, of the training texts and of each split.

    For pairs of texts also their difference and product, so that a linear model can compare.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    counter: Any = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+")
    counts = counter.fit_transform([text for column in train for text in column])
    counts.sort_indices()
    terms = most_frequent(counts)
    counts = counts[:, terms]
    transformer = TfidfTransformer().fit(counts)
    starts = range(0, counts.shape[0], len(train[0]))
    train_features = [transformer.transform(counts[i : i + len(train[0])]) for i in starts]
    return with_comparison(train_features), {
        split: with_comparison(
            [transformer.transform(counter.transform(column)[:, terms]) for column in columns]
        )
        for split, columns in splits.items()
    }


def with_comparison(matrices: list[Any]) -> Any:
    """Return the columns' features side by side; of two columns also difference and product."""
    from scipy.sparse import hstack

    if len(matrices) == 2:
        first, second = matrices
        matrices = [first, second, abs(first - second), first.multiply(second)]
    return hstack(matrices, format="csr")


def most_frequent(counts: Any) -> np.ndarray:
    """Return the `MAX_FEATURES` most frequent columns, sorted; of equally frequent ones, the first.

    scikit-learn's `max_features` breaks ties by an argsort that is not stable, so that the CPU's
    vector width decides (docs/adr/0020).
    """
    frequencies = np.asarray(counts.sum(0)).ravel()
    return np.sort(np.argsort(-frequencies, kind="stable")[:MAX_FEATURES])


def thumbnail_pixels(feature: Any) -> np.ndarray:
    """Return an encoded image's pixels, `THUMBNAIL_SIZE` a side, between 0 and 1."""
    from PIL import Image

    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    image = Image.fromarray(pixels_of(feature).transpose(1, 2, 0)).resize(size)
    return np.asarray(image, dtype=np.float32).ravel() / 255


def spectrum(data: bytes) -> np.ndarray:
    """Return mean and deviation over a clip of the logarithm of its energy in `BANDS` bands."""
    samples = audio.resampled(*audio.read(data), SPECTRUM_RATE)
    samples = np.pad(samples, (0, max(0, FRAME - len(samples))))
    starts = np.arange(0, len(samples) - FRAME + 1, FRAME // 2)
    frames = samples[starts[:, None] + np.arange(FRAME)] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames)[:, 1:]) ** 2  # (frames, FRAME / 2)
    bands = np.log(power.reshape(len(frames), BANDS, -1).mean(2) + 1e-8)
    # the last digits of a logarithm are the CPU's (docs/adr/0020)
    return np.concatenate([bands.mean(0), bands.std(0)]).round(4)
