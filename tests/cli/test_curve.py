"""`temper curve` draws a learning curve."""

import re

import pytest

from temper.cli import curve
from temper.core.errors import InputError
from temper.evaluation.text_tables import Table
from tests.helpers.commits import experiment
from tests.helpers.tables import cells


@pytest.mark.slow
def test_draws_a_learning_curve(inside, capsys, tmp_path):
    """Table and page have the mean by size and say from where on it is near the best."""
    with pytest.raises(InputError, match=r"no finished experiment .* has data\.subset\.train"):
        curve.curve()
    for size, seed in ((10, 1), (10, 2), (1000, 1)):
        experiment(inside, f"s{size}-{seed}", f"++data.subset={{train:{size}}}", f"seed={seed}")
    capsys.readouterr()
    page = tmp_path / "curve.html"
    curve.curve(out=page)
    text = capsys.readouterr().out
    rows = [row[:3] for row in cells(text)]
    assert ["10", "2", "0.4015 ± 0.0007"] in rows
    assert ["1,000", "1", "0.8960"] in rows
    assert "best with all of 1,000 training rows: more may help" in text
    html = page.read_text()
    assert "http" not in html
    assert html.count("<circle") == 2
    curve.curve(["s10-1", "s1000-1"], metric="log_loss", out=page)
    assert "best with all of 1,000 training rows: more may help" in capsys.readouterr().out
    curve.curve(["s10-1", "s10-2"], out=page)
    assert "within 1% of the best with 10 training rows" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"--metric acuracy: .*did you mean 'accuracy'"):
        curve.curve(metric="acuracy", out=page)


def test_points_are_drawn_to_scale():
    """Rows are on a logarithmic axis and high scores are up; a single point is drawn too."""
    points = {10: [0.5], 100: [0.9], 1000: [0.895]}
    table = Table("accuracy", ["rows"], [["10"]])
    dots = drawn(curve.page(points, table, "verdict", "title"))
    assert [x for x, _ in dots] == [0, 360, 720]
    assert dots[0][1] > dots[2][1] > dots[1][1]
    assert curve.near_best(points, True) == 100
    assert curve.near_best(points, False) == 10
    assert drawn(curve.page({10: [0.5]}, table, "verdict", "title")) == [(360, 180)]


def drawn(html: str) -> list[tuple[float, float]]:
    """Return the centres of the circles in a page."""
    found = re.findall(r'<circle cx="([0-9.]+)" cy="([0-9.]+)"', html)
    return [(float(x), float(y)) for x, y in found]
