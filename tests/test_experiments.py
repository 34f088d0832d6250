"""`temper folds` and `temper curve` put DVC's experiments together, or say which are missing."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from temper.cli import curve, folds
from temper.compare import experiments
from temper.core.errors import InputError
from tests.helpers.repository import make_stub, run
from tests.helpers.workspace import ROOT

STUB = """
import csv, json, yaml
from pathlib import Path
import numpy as np
p = yaml.safe_load(Path("params.yaml").read_text())
fold, size = p["data"]["fold"] or {"k": 1, "index": 0}, (p["data"]["subset"] or {}).get("train", 80)
random = np.random.default_rng([p["seed"], fold["index"], size])
Path("data/evaluation/predictions").mkdir(parents=True)
Path("data/raw").mkdir(parents=True)
rows = 30 + fold["index"]
names = ["not_equivalent", "equivalent"]
wanted = random.integers(0, 2, rows)
chances = np.clip(np.where(random.random(rows) < 0.8, wanted, 1 - wanted), 0.1, 0.9)
with open("data/evaluation/predictions/validation.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\\n")
    writer.writerow(["row", "reference", "prediction", "score", *(f"score_{n}" for n in names)])
    for i, (w, c) in enumerate(zip(wanted, chances)):
        found = int(c > 0.5)
        writer.writerow([i, names[w], names[found], max(c, 1 - c), 1 - c, c])
hits = float(((chances > 0.5) == wanted).mean())
score = hits if fold["k"] > 1 else 0.9 - 5 / size + p["seed"] / 1000
found = {"validation": {"accuracy": score, "f1": hits, "accuracy_low": 0.0, "log_loss": 1 - score}}
Path("data/evaluation/metrics.json").write_text(json.dumps(found))
splits = {"train": {"rows": size}, "validation": {"rows": rows}}
Path("data/raw/summary.json").write_text(json.dumps({"splits": splits}))
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Return a DVC repository whose one stage writes scores by fold, subset and seed."""
    return make_stub(tmp_path_factory.mktemp("stub") / "repository", STUB)


@pytest.fixture
def inside(repository, monkeypatch):
    """Go to the repository."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("COLUMNS", "120")
    return repository


def experiment(folder, name, *settings):
    run(folder, " ".join(["dvc exp run -q -n", name, *(f"-S {s}" for s in settings)]))
    run(folder, "git checkout -q params.yaml dvc.lock")


@pytest.mark.slow
def test_folds_are_put_together(inside, capsys):
    """A missing one is named with its command; then the table has the mean and the pooled score."""
    with pytest.raises(InputError, match=r"no finished .* of this commit has data\.fold"):
        folds.folds()
    for index in (2, 0):
        experiment(inside, f"f{index}", f"data.fold={{k:3,index:{index}}}", "train.epochs=2")
    with pytest.raises(InputError) as caught:
        folds.folds()
    text = str(caught.value)
    assert text.startswith("of 3 folds, 1 missing: wait for those that are queued")
    apply, command, _ = (line.strip() for line in text.splitlines()[1:])
    run(inside, apply)
    assert command == "dvc exp run --queue -S 'data.fold={k: 3, index: 1}'"
    words = command.replace("'data.fold={k: 3, index: 1}'", "data.fold={k:3,index:1}")
    run(inside, words.replace("--queue", "-q -n f1"))
    run(inside, "git checkout -q params.yaml dvc.lock")
    capsys.readouterr()
    folds.folds(["f1", "f0", "f2"])
    lines = [re.split(r"\s*[│┃]\s*", line.strip()) for line in capsys.readouterr().out.splitlines()]
    table = {cells[1]: cells[2:-1] for cells in lines if len(cells) > 3}
    found = [experiments.open_experiment(f"f{i}", f"f{i}") for i in range(3)]
    scores = [one.read_json(folds.METRICS)["validation"]["accuracy"] for one in found]
    assert [table[str(i)][:3] for i in range(3)] == [
        [f"f{i}", str(30 + i), f"{scores[i]:.4f}"] for i in range(3)
    ]
    assert table["mean"][2] == f"{np.mean(scores):.4f} ± {np.std(scores, ddof=1):.4f}"
    rows = [
        row for one in found for row in csv.DictReader(io.StringIO(one.read(folds.PREDICTIONS)))
    ]
    assert len(rows) == 93
    hits = np.mean([row["reference"] == row["prediction"] for row in rows])
    assert table["pooled"][1:3] == ["93", f"{hits:.4f}"]
    experiment(inside, "odd", "data.fold={k:3,index:0}", "train.epochs=3")
    with pytest.raises(
        InputError, match=r"also differ in train\.epochs; name those of one set:\n  t"
    ):
        folds.folds()
    with pytest.raises(InputError, match=r"no experiment 'od' .*did you mean 'odd'"):
        folds.folds(["od"])


@pytest.mark.slow
def test_a_learning_curve_is_drawn(inside, capsys, tmp_path):
    """The table and page hold means by size; it says where the score is nearly the best."""
    with pytest.raises(InputError, match=r"no finished experiment .* has data\.subset\.train"):
        curve.curve()
    for size, seed in ((10, 1), (10, 2), (100, 1), (1000, 1)):
        experiment(inside, f"s{size}-{seed}", f"data.subset={{train:{size}}}", f"seed={seed}")
    capsys.readouterr()
    page = tmp_path / "curve.html"
    curve.curve(out=page)
    text = capsys.readouterr().out
    scores = {10: [0.9 - 0.5 + 0.001, 0.9 - 0.5 + 0.002], 100: [0.851], 1000: [0.896]}
    assert re.search(r"10\s*│\s*2\s*│\s*0\.4015 ± 0\.0007", text)
    assert re.search(r"1,000\s*│\s*1\s*│\s*0\.8960", text)
    assert "within 1% of the best with 1,000 training rows" in text
    html = page.read_text()
    assert "http" not in html
    assert html.count("<circle") == len(scores)
    curve.curve(["s10-1", "s100-1"], metric="log_loss", out=page)
    assert "within 1% of the best with 100 training rows" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"--metric acuracy: .*did you mean 'accuracy'"):
        curve.curve(metric="acuracy", out=page)


def test_points_lie_where_their_numbers_say():
    """Rows on a logarithmic axis, high scores up; one point alone is drawn too."""
    points = [curve.Point(rows=n, scores=[s]) for n, s in ((10, 0.5), (100, 0.9), (1000, 0.895))]
    dots = curve.plot_points(points)
    assert [dot["x"] for dot in dots] == [0, curve.WIDTH / 2, curve.WIDTH]
    assert (dots[0]["y"], dots[1]["y"]) == (curve.HEIGHT, 0)
    assert curve.near_best(points, True) == 100
    assert curve.near_best(points, False) == 10
    assert curve.plot_points(points[:1])[0]["y"] == curve.HEIGHT / 2


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


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_pooled_scores_are_those_of_all_rows(kind):
    """From the written cells, within their 6 digits."""
    rows, wanted = predictions_of(kind, np.random.default_rng(3))
    found = folds.pooled_scores(kind, rows, None)
    assert found.keys() == wanted.keys()
    assert found == pytest.approx(wanted, abs=1e-4)


def test_pooled_tags_choices_and_texts():
    """What evaluate writes as words is read back; perplexities are not."""
    tags = [{"reference": "B-x I-x O", "prediction": "B-x I-x O"},
            {"reference": "O B-x", "prediction": "O O"}]  # fmt: skip
    assert folds.pooled_scores("entities", tags, None)["f1"] == pytest.approx(2 / 3)
    choices = [{"reference": "1", "prediction": "1"}, {"reference": "0", "prediction": "2"}]
    assert folds.pooled_scores("choices", choices, None)["accuracy"] == 0.5
    texts = [{"reference": "a b", "prediction": "a b"}, {"reference": "c", "prediction": "d"}]
    assert folds.pooled_scores("translation", texts, None)["exact_match"] == 0.5
    assert folds.pooled_scores("language", texts, None) == {}


class Files:
    """A commit whose params.yaml has some text, and that holds no other file."""

    def __init__(self, text):
        self.text = text

    def read_text(self, path, encoding):
        if path != "params.yaml":
            raise FileNotFoundError(path)
        return self.text


@pytest.fixture
def commits(monkeypatch, tmp_path):
    """Stand in for DVC: three experiments, one of which runs, and what their commits hold."""
    import dvc.api

    text = (ROOT / "params.yaml").read_text()
    files = {"a": Files(text), "c": Files(text.replace("seed: 42", "sed: 42"))}
    rows = [{"Experiment": n, "rev": n, "State": "Running" if n == "b" else None} for n in "abc"]
    monkeypatch.setattr(dvc.api, "exp_show", lambda: [{"Experiment": None}, *rows])
    monkeypatch.setattr(dvc.api, "DVCFileSystem", lambda rev: files[rev])
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "experiment a has no fold: its data.fold is null"),
        ("b", "experiment b has not finished: Running"),
        ("c", "experiment c: its params.yaml is not valid in this version (2 mistakes)"),
        ("d", "no experiment 'd' of the current commit; there are a, b, c"),
    ],
)
def test_experiments_that_cannot_be_used(commits, name, message):
    """Each is named."""
    with pytest.raises(InputError, match=re.escape(message)):
        folds.folds([name])


def test_a_file_that_is_not_in_the_cache_is_named(commits):
    """With the two ways to get it."""
    with pytest.raises(
        InputError, match=r"experiment a: data/evaluation/metrics\.json is not in th"
    ):
        curve.curve(["a"])


def test_without_a_repository_there_are_no_experiments(monkeypatch, tmp_path):
    """One line, no traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT")
    with pytest.raises(InputError, match="not a DVC repository; run this where dvc"):
        folds.folds()


def test_folds_without_a_common_score_are_an_error():
    """As where validation has no labels; and a curve needs its score in every experiment."""
    with pytest.raises(InputError, match="the folds share no validation score of classification"):
        folds.main_scores("classification", [{"accuracy": 1.0}, {}])
    one = experiments.Experiment(name="a", parameters=None, leaves={}, files=Written("{}"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"experiment a: .* has no validation accuracy"):
        curve.measure([one], "accuracy")


def test_metrics_of_yours_stand_in_both(write_params):
    """By the name and the direction of the function."""
    write_params()
    code = "def misses(predictions, references): return 0\nmisses.greater_is_better = False\n"
    Path("mine.py").write_text(code)
    named = {"train__metric_for_best_model": "mine.misses", "evaluate__metrics": ["mine.misses"]}
    p = write_params(code={"mine": "mine.py"}, **named)
    files: Any = Written('{"validation": {"accuracy": 0.5, "misses": 3}}')
    one = experiments.Experiment(name="a", parameters=p, leaves={}, files=files)
    assert curve.select_metric(one, None) == ("misses", False)
    assert curve.select_metric(one, "accuracy") == ("accuracy", True)
    scores = one.read_json(folds.METRICS)["validation"]
    assert folds.main_scores("classification", [scores], ["misses"]) == ["accuracy", "misses"]


class Written(Files):
    """A commit all of whose files hold one text."""

    def read_text(self, path, encoding):
        return self.text
