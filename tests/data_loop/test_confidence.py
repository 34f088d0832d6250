"""Scores are the published ones; planted errors come first; copies do not vouch for one another."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from temper.core.errors import InputError
from temper.data_loop import confidence, linear_judge

PROBABILITIES = np.array(
    [[0.06, 0.21, 0.73], [0.79, 0.12, 0.09], [0.28, 0.07, 0.65], [0.02, 0.12, 0.86],
     [0.13, 0.62, 0.25], [0.46, 0.21, 0.33], [0.62, 0.38, 0.0], [0.36, 0.27, 0.37],
     [0.36, 0.32, 0.32], [0.21, 0.01, 0.78], [0.48, 0.02, 0.5], [0.76, 0.05, 0.19]]
)  # fmt: skip
LABELS = np.array([0, 0, 1, 2, 0, 2, 1, 0, 1, 2, 2, 1])


def test_scores_are_the_normalized_margins_of_cleanlab_and_errors_those_of_the_paper():
    """Of cleanlab 2.9.0, from -1 to 1; counted by hand, all but rows 1, 3, 7 and 9 are errors."""
    found = confidence.single_label(PROBABILITIES, LABELS)
    margins = [-0.67, 0.67, -0.58, 0.74, -0.49, -0.13, -0.24, -0.01, -0.04, 0.57, 0.02, -0.71]
    assert found.scores == pytest.approx(margins)
    assert found.expected == 8
    assert found.suggested[0] == [2]
    assert found.suggested[1] == [1]  # the likeliest other one


def test_of_several_labels_the_least_believed_counts():
    """A label that is there without being likely, or the other way round."""
    probabilities = np.array([[0.9, 0.2], [0.3, 0.6], [0.8, 0.1]])
    labels = np.array([[True, False], [True, False], [True, False]])
    found = confidence.several_labels(probabilities, labels)
    assert found.scores == pytest.approx([0.6, -0.4, 0.6])
    assert found.suggested == [[0], [1], [0]]


def blobs(seed: int, num_labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.arange(300) % num_labels
    return 4 * np.eye(num_labels)[labels] + random.normal(size=(300, num_labels)), labels


def judged(matrix, labels, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    fold = confidence.fold_of(labels, groups, 5, 0)
    return confidence.single_label(linear_judge.out_of_fold(matrix, labels, fold), labels)


def test_of_tags_the_least_believed_counts_and_an_unread_word_is_believed():
    """The second row is doubted at its second word; the third word of the first was cut off."""
    probabilities = np.array(
        [[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan], [0.7, 0.3], [0.9, 0.1], [0.4, 0.6]]
    )
    found = confidence.tags(
        probabilities, [[0, 1, 0], [0, 1], [], [1]], lambda p: p.argmax(1).tolist()
    )
    assert found.scores == pytest.approx([0.6, -0.8, 1.0, 0.2])
    assert found.suggested == [[0, 1, 0], [0, 0], [], [1]]
    assert found.agreement == 0.8
    assert found.words is not None
    assert found.words.scores[1] == pytest.approx([0.4, -0.8])


def test_tags_of_which_no_word_was_read_are_refused():
    with pytest.raises(InputError, match="no word of train was judged"):
        confidence.tags(np.full((1, 2), np.nan), [[0]], lambda p: p.argmax(1).tolist())


@pytest.mark.parametrize("seed", [0, 1])
def test_planted_errors_are_at_the_top(seed):
    """Of 15 wrong labels in 300, nearly all are in the first 24 rows; the rest is in order."""
    matrix, labels = blobs(seed)
    flipped = np.random.default_rng(seed).choice(300, 15, replace=False)
    labels[flipped] = (labels[flipped] + 1) % 3
    found = judged(matrix, labels)
    assert np.isin(flipped, np.argsort(found.scores)[:24]).mean() > 0.9
    assert 10 <= found.expected <= 20
    again = judged(matrix, labels)
    assert again.scores.tobytes() == found.scores.tobytes()


def test_each_row_is_judged_by_the_other_folds():
    """As by scikit-learn with the fold left out."""
    matrix, labels = blobs(2)
    fold = np.arange(300) % 4
    found = linear_judge.out_of_fold(matrix, labels, fold)
    model = LogisticRegression(C=1.0, max_iter=300).fit(matrix[fold != 1], labels[fold != 1])
    assert found[fold == 1] == pytest.approx(model.predict_proba(matrix[fold == 1]))


def test_a_copy_does_not_vouch_for_its_original():
    """Two equal rows with the same wrong label are in one fold, and both are doubted."""
    matrix, labels = blobs(3)
    twins = np.array([matrix[0] * 3] * 8)
    matrix, wrong = np.vstack([matrix, twins]), np.concatenate([labels, np.full(8, 1)])
    groups = np.concatenate([np.arange(300), np.full(8, 300)])
    fold = confidence.fold_of(wrong, groups, 5, 0)
    assert len(set(fold[300:].tolist())) == 1
    assert set(fold.tolist()) == set(range(5))
    assert (judged(matrix, wrong, groups).scores[300:] < 0).all()


def test_a_label_that_only_one_row_has_is_unlikely_everywhere():
    matrix, labels = blobs(4, 2)
    labels[7] = 2
    found = judged(matrix, labels)
    assert found.scores[7] < 0
    assert found.suggested[7] != [2]


def test_a_model_that_has_not_converged_judges_without_a_warning(monkeypatch):
    """Of pixels of pictures that it cannot tell apart, say: warnings are errors here."""
    monkeypatch.setattr(linear_judge, "MAX_ITER", 1)
    matrix, labels = blobs(5)
    assert judged(matrix, labels).scores.max() > 0
