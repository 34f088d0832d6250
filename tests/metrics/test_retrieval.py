"""Retrieval scores are those of sentence-transformers' evaluator; correlations are SciPy's."""

import numpy as np
from scipy import stats as scipy_stats
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from temper import metrics
from temper.metrics import retrieval, similarity
from temper.tasks.base.retrieval import build_corpus, cosent_loss, ranking_loss, search


def drawn(num_rows: int) -> tuple[list, np.ndarray, np.ndarray]:
    """Return token ids of anchor, positive and negative; vectors of anchors and of the corpus."""
    random = np.random.default_rng(3)
    anchors = random.integers(0, num_rows * 3 // 4, num_rows)  # some have several positives
    rows = [
        [[1, anchor], [2, random.integers(num_rows)], [3, i]] for i, anchor in enumerate(anchors)
    ]
    vectors = random.normal(size=(num_rows * 4, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return rows, vectors[anchors], vectors[num_rows:]


def test_scores_are_those_of_sentence_transformers(tmp_path):
    """Recall@k, MRR and NDCG@10 of 40 queries, of which some have several relevant texts."""
    rows, queries, vectors = drawn(40)
    corpus = build_corpus(rows)
    documents = vectors[: len(corpus.first_place)]
    assert max(map(len, corpus.relevant)) > 1
    found = metrics.compute_from_predictions(
        "retrieval", search(queries, documents, corpus).ranks, []
    )
    size = len(documents)
    reference = InformationRetrievalEvaluator(
        {str(i): str(i) for i in range(len(rows))},
        {str(i): str(i) for i in range(size)},
        {str(i): {str(text) for text in texts} for i, texts in enumerate(corpus.relevant)},
        precision_recall_at_k=[1, 5, 10],
        mrr_at_k=[size],
        ndcg_at_k=[10],
        map_at_k=[1],
        accuracy_at_k=[1],
        write_csv=False,
    )

    hits = [
        [{"corpus_id": str(i), "score": float(score)} for i, score in enumerate(row)]
        for row in queries @ documents.T
    ]
    expected = reference.compute_metrics(hits)
    for k in (1, 5, 10):
        np.testing.assert_allclose(found[f"recall_at_{k}"], expected["recall@k"][k])
    np.testing.assert_allclose(found["mrr"], expected["mrr@k"][size])
    np.testing.assert_allclose(found["ndcg_at_10"], expected["ndcg@k"][10])


def test_texts_that_are_all_alike_find_nothing():
    """A tie counts against the positive, so a collapsed model has the worst ranks."""
    rows = [[[1], [2]], [[3], [4]], [[1], [5]]]
    corpus = build_corpus(rows)
    found = search(np.ones((3, 2)), np.ones((3, 2)), corpus)
    assert found.ranks == [[2, 3], [3], [2, 3]]
    stats = retrieval.per_example_stats(found.ranks, [])
    np.testing.assert_allclose(stats[1], [0, 1, 1, 1 / 3, 0.5, 1])
    np.testing.assert_allclose(retrieval.example_loss(stats), [1 / 2, 2 / 3, 1 / 2])


def test_similarities_that_are_no_number_find_nothing():
    """A vector of NaN, of an anchor or of a text of the corpus, counts against the positive."""
    corpus = build_corpus([[[1], [2]], [[3], [4]], [[5], [6]]])
    queries, documents = np.eye(3), np.eye(3)
    queries[0] = np.nan
    assert search(queries, documents, corpus).ranks == [[3], [1], [1]]
    documents[0] = np.nan
    assert search(queries, documents, corpus).ranks == [[3], [2], [2]]


def test_equal_texts_are_one_text_of_the_corpus():
    """Rows share a positive, and a negative may be another row's positive."""
    corpus = build_corpus([[[1], [2], [3]], [[4], [2], [5]], [[6], [3], [5]]])
    assert corpus.first_place.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert [texts.tolist() for texts in corpus.relevant] == [[0], [0], [1]]
    assert corpus.positive.tolist() == [0, 0, 1]


def test_validation_losses_are_those_of_training():
    """The whole split is one batch, whose texts all differ."""
    import torch

    from temper.training import embedding_losses

    random = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(12, 3, 6, generator=random), dim=-1)
    ids = torch.arange(36).view(12, 3)
    expected = embedding_losses.multiple_negatives_ranking(
        vectors.flatten(0, 1), ids, temperature=0.05
    )
    corpus = build_corpus([[[int(i)] for i in row] for row in ids])
    places = tuple(corpus.first_place.T)
    found = ranking_loss(vectors[:, 0].numpy(), vectors.numpy()[places], corpus, 0.05)
    np.testing.assert_allclose(found, float(expected) / 36, rtol=1e-5)
    scores = torch.randint(0, 4, (12,), generator=random).float()
    expected = embedding_losses.cosent(vectors[:, :2].flatten(0, 1), scores, temperature=0.05)
    cosines = (vectors[:, 0] * vectors[:, 1]).sum(-1).double().numpy()
    found = cosent_loss(cosines, scores.double().numpy(), 0.05)
    np.testing.assert_allclose(found, float(expected) / 12, rtol=1e-5)


def test_correlations_of_similarities_are_scipys():
    """And a pair is bad by how far its two ranks are apart."""
    predictions, references = [0.9, 0.1, 0.5, 0.4], [5, 1, 1, 3]
    found = metrics.compute_from_predictions("similarity", predictions, references)
    expected = scipy_stats.spearmanr(predictions, references).statistic
    np.testing.assert_allclose(found["spearman"], expected)
    np.testing.assert_allclose(
        found["pearson"], scipy_stats.pearsonr(predictions, references).statistic
    )
    loss = similarity.example_loss(similarity.per_example_stats(predictions, references))
    np.testing.assert_allclose(loss, np.array([0, 0.5, 1.5, 1]) / 4)
