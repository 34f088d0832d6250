"""Texts → sparse vectors whose dot product is their TF-IDF cosine or their BM25 score."""

from collections.abc import Sequence
from typing import Any

import numpy as np

TOKEN = r"(?u)\w+|[^\w\s]"
K1, B = 1.2, 0.75  # of BM25


def tfidf(queries: Sequence[str], documents: Sequence[str]) -> tuple[Any, Any]:
    """Return unit TF-IDF vectors of queries and of documents; both count for the frequencies."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(token_pattern=TOKEN).fit([*queries, *documents])
    return csr_array(vectorizer.transform(queries)), csr_array(vectorizer.transform(documents))


def bm25(queries: Sequence[str], documents: Sequence[str]) -> tuple[Any, Any]:
    """Return word counts of queries, and the BM25 weights of documents (Robertson et al. 1994).

    The weight of a document without the word is 0. The inverse document frequency is
    ln(1 + (N - n + 0.5) / (n + 0.5)), which is never negative, as in Lucene.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(token_pattern=TOKEN)
    counts = csr_array(counter.fit_transform(documents), dtype=np.float64)
    lengths = counts.sum(1)
    containing = np.bincount(counts.indices, minlength=len(counter.vocabulary_))
    idf = np.log1p((len(documents) - containing + 0.5) / (containing + 0.5))
    norm = K1 * (1 - B + B * lengths / lengths.mean())
    frequency, rows = counts.data, np.repeat(np.arange(len(documents)), np.diff(counts.indptr))
    counts.data = idf[counts.indices] * frequency * (K1 + 1) / (frequency + norm[rows])
    return csr_array(counter.transform(queries), dtype=np.float64), counts
