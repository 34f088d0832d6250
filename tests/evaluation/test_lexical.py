"""BM25 and TF-IDF of a few texts are those computed by hand."""

from math import log

import numpy as np

from temper.evaluation import lexical

DOCUMENTS = ["a cat sat", "a dog sat on a cat", "birds sing"]


def test_bm25_is_its_formula():
    """Of two query words, one of them twice in a document."""
    queries, weights = lexical.bm25(["a bird and a cat"], DOCUMENTS)
    found = (queries @ weights.T).toarray()[0]
    mean_length = 11 / 3

    def term(count: int, length: int, containing: int) -> float:
        idf = log(1 + (3 - containing + 0.5) / (containing + 0.5))
        return idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean_length))

    expected = [2 * term(1, 3, 2) + term(1, 3, 2), 2 * term(2, 6, 2) + term(1, 6, 2), 0]
    np.testing.assert_allclose(found, expected)


def test_tfidf_of_equal_texts_is_one():
    """And 0 of texts without a common word; words outside of letters count too."""
    queries, documents = lexical.tfidf(["birds sing", "!"], [*DOCUMENTS, "!"])
    found = (queries @ documents.T).toarray()
    np.testing.assert_allclose(found, [[0, 0, 1, 0], [0, 0, 0, 1]], atol=1e-12)
