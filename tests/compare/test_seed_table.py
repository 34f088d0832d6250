"""The table for a paper."""

import csv
import io
from pathlib import Path

import pytest
from scipy.stats import ttest_ind

from temper.compare import seed_table
from temper.core.errors import InputError
from tests.compare.test_seed_groups import grouped, trained, with_mistakes

WRONG = {"a1": 60, "a2": 48, "b1": 120, "b2": 102, "b3": 114}


@pytest.fixture(scope="module")
def tables():
    """Return a function from a file's name to the table of two configurations."""
    groups, tests, result = grouped(with_mistakes(WRONG))
    return lambda name: seed_table.render(Path(name), groups, tests, result)


def test_csv_has_a_line_per_configuration_and_score_with_all_digits(tables):
    """Means, deviations and p-values are those of the scores."""
    rows = list(csv.DictReader(io.StringIO(tables("table.csv"))))
    first, other = (row for row in rows if row["score"] == "accuracy")
    p = ttest_ind([0.9, 0.92], [0.8, 0.83, 0.81], equal_var=False)[1]
    assert (first["configuration"], first["trainings"]) == ("train.epochs=2", "a1, a2")
    assert (first["rows"], first["split"], first["seeds"]) == ("600", "test", "2")
    assert first["p"] == first["difference"] == ""
    numbers = {key: float(other[key]) for key in ("mean", "sd", "difference", "p", "p_holm")}
    wanted = {"mean": 0.813333, "sd": 0.015275, "difference": -0.096667, "p": p, "p_holm": p}
    assert numbers == pytest.approx(wanted, rel=1e-4)
    assert float(other["low"]) < -0.0967 < float(other["high"]) < 0


def test_markdown_is_a_table_and_how_it_was_computed(tables):
    """It can be pasted: a heading, rows of equal length, one sentence below."""
    lines = tables("table.md").splitlines()
    assert lines[2] == "| score | configuration | seeds | mean ± SD | p |"
    assert lines[4:6] == [
        "| accuracy | train.epochs=2 | 2 | 0.9100 ± 0.0141 |  |",
        "|  | train.epochs=3 | 3 | 0.8133 ± 0.0153 | 0.011 |",
    ]
    assert lines[-1] == (
        "Mean ± sample standard deviation over seeds, on 600 test rows. p: Welch's t-test over "
        "seeds against train.epochs=2, not adjusted over the scores."
    )


def test_latex_escapes_what_it_reads_as_commands(tables):
    """Names of parameters have underscores, and p-values `<`; a hyphen before a number is minus."""
    text = tables("table.tex")
    assert r"accuracy & train.epochs=2 & 2 & 0.9100 $\pm$ 0.0141 &  \\" in text
    assert r"f1\_macro & train.epochs=2 & " in text
    assert seed_table.as_latex("-0.024 ± 0.05") == r"$-$0.024 $\pm$ 0.05"
    assert seed_table.as_latex("rate=3e-05") == "rate=3e-05"
    assert seed_table.as_latex("a|b") == r"a\textbar{}b"
    assert seed_table.as_latex(r"a_b 5% {x} p < 0.001 \~") == (
        r"a\_b 5\% \{x\} p $<$ 0.001 \textbackslash{}\textasciitilde{}"
    )


def test_what_cannot_be_a_table_is_refused():
    """A suffix that names no format, and configurations of one seed each."""
    with pytest.raises(
        InputError, match=r"--table x\.docx: the suffix names the format, \.md, \.te"
    ):
        seed_table.check([Path("x.docx")])
    seed_table.check_seeds([], [trained("a1"), trained("b1")])
    seed_table.check_seeds([Path("x.tex")], [trained("a1"), trained("a2")])
    with pytest.raises(InputError, match=r"each configuration .* has one seed .*-S seed=1,2,3"):
        seed_table.check_seeds([Path("x.tex")], [trained("a1"), trained("b1")])
