"""One contract over all tasks: from raw rows to predictions in their own words."""

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import binom

from stages import evaluate, train
from temper import metrics, params
from temper.cli import predict
from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.data_loop.labels import first_mistake
from temper.models import loading
from temper.params import rules
from temper.prediction import drift, predictor, profile
from temper.prediction.batches import BATCH_TOKENS
from temper.prediction.engines import open_session
from temper.serving import container
from temper.tasks.base import audio, registry
from temper.tasks.base.arrays import as_rows
from tests.helpers import containers, stage_runs
from tests.helpers.samples import prepare_sample, rows_of
from tests.helpers.tables import read_csv
from tests.helpers.workspace import ROOT, isolate, link_code

TASKS = sorted(path.stem for path in (ROOT / "temper/tasks").glob("[a-z]*.py"))
CASES = {  # name → recipe, changes that let 200 rows be learned by heart
    "sequence_classification": ("params.yaml", {"train.epochs": 12}),
    "sequence_classification pair": (
        "params.yaml",
        {"train.epochs": 12, "model.head": {"kind": "linear", "pooling": "pair", "dropout": 0.1}},
    ),
    "token_classification": ("recipes/sample-token_classification.yaml", {"train.epochs": 4}),
    "token_classification crf": (
        "recipes/sample-token_classification.yaml",
        {"train.epochs": 4, "model.head": {"kind": "linear", "dropout": 0.0, "crf": True}},
    ),
    "question_answering": ("recipes/sample-question_answering.yaml", {"train.epochs": 40}),
    "multiple_choice": ("recipes/sample-multiple_choice.yaml", {"train.epochs": 15}),
    "masked_lm": ("recipes/sample-masked_lm.yaml", {"train.epochs": 20, "tokenize.max_length": 32}),
    "image_classification": ("recipes/sample-image_classification.yaml", {"train.epochs": 20}),
    "audio_classification": ("recipes/sample-audio_classification.yaml", {"train.epochs": 25}),
    "seq2seq_lm": ("recipes/sample-seq2seq_lm.yaml", {"train.epochs": 12}),
    "causal_lm": ("recipes/sample-causal_lm.yaml", {"train.epochs": 50}),
    "embeddings": ("recipes/sample-embeddings.yaml", {"train.epochs": 8}),
    "causal_lm prompts": (
        "recipes/sample-causal_lm.yaml",
        {"train.epochs": 12, "task.prompt": "sentence1", "task.text": "label"},
    ),
    "causal_lm conversations": (
        "recipes/sample-causal_lm.yaml",
        {"train.epochs": 12, "task": {"name": "causal_lm", "messages": "chat"}},
    ),
}
QUICK = ("token_classification",)  # the others take more than 3 s


def cases(names):
    """Return a parametrization of `done` with the cases of these names."""
    values = [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names
    ]
    return pytest.mark.parametrize("done", values, indirect=True)


MODEL_WITH_HEAD = [name for name, (_, changes) in CASES.items() if "model.head" in changes]
every_task = cases(CASES)
every_plain = cases([name for name in CASES if name not in MODEL_WITH_HEAD])


def test_every_task_has_a_case_and_a_sample():
    """A task file needs a contract, a schema and a recipe."""
    assert {name.split()[0] for name in CASES} == set(TASKS) == set(params.TASKS)
    for recipe, _ in CASES.values():
        assert (ROOT / recipe).exists()


def run_stages(name: str, folder: Path) -> None:
    """Run every stage of a case in a folder."""
    (folder / "data").mkdir(parents=True)
    link_code(folder)
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        patch.setenv("TEMPER_TRACKING", "off")
        patch.chdir(folder)
        prepare_sample(folder, *CASES[name])
        stage_runs.train()
        stage_runs.evaluate()
        stage_runs.export()


@pytest.fixture
def done(request, made_once, monkeypatch) -> tuple[str, params.Params]:
    """Go to a workspace in which every stage of a case has run, the same for all tests."""
    name = request.param
    folder = made_once(f"task {name}".replace(" ", "-"), lambda folder: run_stages(name, folder))
    monkeypatch.chdir(folder)
    return name, params.load()


def history() -> list[dict[str, str]]:
    return read_csv("data/history/train.csv")


def predictions(split: str) -> list[dict[str, str]]:
    return read_csv(f"data/evaluation/predictions/{split}.csv")


@every_task
def test_loss_halves(done):
    """200 rows are learned: the last losses are below half of the first."""
    losses = [float(row["loss"]) for row in history()]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:2])


@every_task
def test_every_example_is_scored_once_and_in_order(done):
    """Predictions have one row per raw example, beside its reference."""
    _, parameters = done
    raw = arrow.load(Path("data/raw"))["test"]
    found = predictions("test")
    assert [int(row["row"]) for row in found] == list(range(len(raw))) == list(range(24))
    if parameters.task.target is not None:
        task = registry.load(parameters, arrow.load(Path("data/tokenized"))["test"].features)
        references = task.references(raw)
        if metrics.scores_logits(parameters.task.metrics):
            assert [row["reference"] for row in found] == [task.label_names[i] for i in references]
        else:
            assert [row["reference"] for row in found] == [task.format_value(r) for r in references]


@every_task
def test_scores_have_intervals_baselines_and_a_report(done):
    """The main score lies in its interval, and the page shows the worst rows."""
    _, parameters = done
    found = artifacts.read_json(Path("data/evaluation/metrics.json"))
    headline = metrics.load(parameters.task.metrics).HEADLINE[0]
    for split in ("validation", "test"):
        scores = found[split]
        assert scores[f"{headline}_low"] <= scores[headline] <= scores[f"{headline}_high"]
        assert found["baseline"]
        for baseline in found["baseline"].values():
            assert np.isfinite(baseline[split][headline])
    page = Path("data/evaluation/report.html").read_text()
    assert "Worst examples" in page
    assert headline in page
    assert ("<th>labels</th>" in page) == parameters.task.has_label_names


@every_task
def test_padding_changes_no_output(done):
    """A batch of 1 gives what a batch of 8 gives."""
    _, parameters = done
    data = arrow.load(Path("data/tokenized"))["test"]
    found = []
    for size in (1, 8):
        model = predictor.Predictor(
            Path("data/model"), parameters, engine="torch", batch_size=size, num_threads=1
        )
        found.append(model.outputs(data, ("logits",), 0)["logits"])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


@every_task
def test_batches_of_padding_max_length_have_one_shape(done):
    """The shortest and the longest rows give tensors of the same shape."""
    _, parameters = done
    fixed = parameters.tokenize.model_copy(update={"padding": "max_length"})
    rows = arrow.load(Path("data/tokenized"))["train"]
    by_length = np.argsort(rows["length"]).tolist()
    task = registry.load(parameters.model_copy(update={"tokenize": fixed}), rows.features)
    processor = registry.load_processor(Path("data/base/processor"), task)
    collate = task.collator(processor, loading.open_config(Path("data/base/weights")))
    shapes = []
    for chosen in (by_length[:8], by_length[-8:]):
        drawn = [rows[i] | {"draw": (0, 1, i)} for i in chosen]
        shapes.append({name: values.shape for name, values in collate(drawn).items()})
    assert shapes[0] == shapes[1]


@every_task
def test_export_agrees_with_the_model(done):
    """parity.json says so, and the files are there."""
    _, parameters = done
    parity = artifacts.read_json(Path("data/export/parity.json"))
    assert parity.get("onnx_tolerance") == 1e-3, parity
    assert Path("data/export/onnx/model_int8.onnx").exists() == bool(parameters.export.int8)
    assert ("written_alike" in parity) == (parameters.evaluate.generation is not None)


@every_task
def test_predict_answers_like_evaluate(done, tmp_path):
    """`temper predict` keeps columns and order, and ONNX gives the answers of evaluate."""
    _, parameters = done
    source, target = Path(parameters.data.files["test"]), tmp_path / "scored.jsonl"
    if source.suffix == ".parquet":
        target = tmp_path / "scored.parquet"
    predict.predict(Path("data/export"), source, target, "onnx", 256, 1)
    rows = rows_of(target, 1000)
    assert len(rows) == 24
    given = rows_of(source, 1000)
    assert [{k: row[k] for k in given[0]} for row in rows] == given
    options = {"batch_tokens": 256, "num_threads": 1, "trust_code": False}
    model = predictor.open_export(Path("data/export"), "onnx", **options)
    added = model.predict({name: [] for name in model.task.columns})
    assert [*given[0], *added] == list(rows[0])
    task, kind = registry.load(parameters), parameters.task.metrics
    answers = [row["prediction"] for row in rows]
    if kind == "language":
        assert all(isinstance(answer, str) for answer in answers)
        return
    if kind == "retrieval":  # evaluate has what the vectors found
        np.testing.assert_allclose(np.linalg.norm(answers, axis=1), 1, atol=1e-5)
        return
    expected = [row["prediction"] for row in predictions("test")]
    assert [str(task.format_value(a)) if not isinstance(a, str) else a for a in answers] == expected


@cases(["embeddings"])
def test_sentence_transformers_gives_the_same_vectors(done):
    """`SentenceTransformer` loads the export, whose ONNX graph gives the pooled unit vector."""
    from sentence_transformers import SentenceTransformer

    texts = [row["anchor"] for row in rows_of(Path(done[1].data.files["test"]), 8)]
    sentences = SentenceTransformer("data/export", device="cpu")
    expected = sentences.encode(texts)
    assert sentences.get_embedding_dimension() == expected.shape[1]
    options = {"batch_tokens": 256, "num_threads": 1, "trust_code": False}
    for engine, tolerance in (("torch", 1e-5), ("onnx", 1e-5), ("int8", 0.05)):
        model = predictor.open_export(Path("data/export"), engine, **options)
        found = model.predict({"anchor": texts})["prediction"]
        np.testing.assert_allclose(found, expected, atol=tolerance)
    session = open_session(Path("data/export/onnx/model.onnx"), 1)
    (output,) = session.get_outputs()
    assert (output.name, output.shape[1:]) == ("sentence_embedding", [expected.shape[1]])


@cases(["embeddings"])
def test_an_untrained_checkpoint_is_a_baseline(done, tmp_path):
    """With the trained weights as the checkpoint it scores what the model scores."""
    shutil.copytree("data/model", tmp_path / "weights")
    features, raw = arrow.load(Path("data/tokenized")), arrow.load(Path("data/raw"))
    evaluator = evaluate.build_evaluator(
        Path("data/model"), features, raw, Path("data/zero_shot"), done[1], tmp_path
    )
    scored = evaluator.scores(evaluator.score("test", tmp_path / "test.csv"))
    assert evaluator.baselines(["test"])["untrained"]["test"] == scored


@cases(["embeddings"])
def test_anchors_alone_have_their_vectors_as_predictions(done, tmp_path):
    """A split without positives is not scored; its file has the vectors of `temper predict`."""
    features, raw = arrow.load(Path("data/tokenized")), arrow.load(Path("data/raw"))
    raw["test"] = raw["test"].map(
        lambda row: {"negative": "", "positive": None}, keep_in_memory=True
    )
    options = {"batch_tokens": 256, "num_threads": 1, "trust_code": False}
    model = predictor.open_export(Path("data/export"), "torch", **options)
    encoded = model.encode(raw["test"][:], model.processor, mode="evaluate")
    features["test"] = Dataset.from_dict(encoded)
    evaluator = evaluate.build_evaluator(
        Path("data/model"), features, raw, Path("data/zero_shot"), done[1]
    )
    evaluator.score("test", tmp_path / "test.csv")
    with (tmp_path / "test.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert {len(row) for row in rows} == {len(head)} == {3}
    found = [json.loads(row[2]) for row in rows]
    expected = model.predict({"anchor": raw["test"]["anchor"][:]})["prediction"]
    np.testing.assert_allclose(found, expected, atol=2e-6)


SERVED = (
    "sequence_classification",
    "sequence_classification pair",
    "token_classification",
    "token_classification crf",
    "question_answering",
    "multiple_choice",
    "embeddings",
)
NOT_SERVED = (  # by ONNX Runtime and tokenizers alone
    "masked_lm",
    "image_classification",
    "audio_classification",
    "seq2seq_lm",
    "causal_lm",
    "causal_lm prompts",
    "causal_lm conversations",
)


@pytest.mark.slow
@pytest.mark.parametrize("done", SERVED, indirect=True)
def test_a_container_without_torch_answers_as_predict_does(done, made_once, tmp_path, capsys):
    """The Dockerfile's steps, in an environment of its requirements alone; int8 alone too."""
    options = {"batch_tokens": BATCH_TOKENS, "num_threads": 1, "trust_code": False}
    exported, context, app = Path("data/export"), tmp_path / "context", tmp_path / "app"
    context.mkdir()
    engine = "int8" if done[0] == "sequence_classification" else "onnx"
    plain = shutil.copytree(exported, tmp_path / "plain")  # its tokenizer is that of transformers
    (plain / "onnx/packed.json").unlink()
    model = predictor.open_export(plain, engine, **options)
    container.write(context, "name", exported, done[1].task.inputs, engine, 8080)
    steps = containers.read_steps(context / "Dockerfile")
    environment = made_once(
        "container",
        lambda folder: containers.make_environment(folder, steps, context / "requirements.txt"),
    )
    absent = "import importlib.util as u; print(*map(u.find_spec, ('torch', 'transformers')))"
    python = environment / "bin/python"
    asked = subprocess.run([python, "-c", absent], check=True, capture_output=True, text=True)
    assert asked.stdout == "None None\n"
    containers.copy_files(context, app, steps)
    rows = [
        {name: row[name] for name in done[1].task.inputs}
        for row in rows_of(next(Path().glob("test.*")), 24)
    ]
    with containers.running(environment, app, steps) as (child, address, started_s):
        found = containers.invoke(address, rows)
        one_by_one = [containers.invoke(address, [row])[0] for row in rows[:2]]
        child.terminate()
        assert child.wait(60) == 0  # as `docker stop` asks
        assert child.stderr.read() == ""
    columns = model.predict({name: [row[name] for row in rows] for name in rows[0]})
    expected = as_rows(columns)
    assert containers.same(found, expected, 1e-5)
    if engine == "onnx":
        assert containers.same(one_by_one, expected[:2], 1e-5)
    sizes = [containers.size_mib(folder) for folder in (environment, app)]
    with capsys.disabled():
        print(f"\n{done[0]}: {started_s:.1f} s, environment {sizes[0]:.0f} MiB, {sizes[1]:.0f} MiB")


@cases(NOT_SERVED)
def test_a_container_for_another_task_is_refused(done, tmp_path):
    """It would need transformers."""
    with pytest.raises(InputError, match=r"--docker: data/export: \w+ needs transformers to"):
        container.write(tmp_path, "name", Path("data/export"), done[1].task.inputs, "onnx", 8080)
    assert not [*tmp_path.iterdir()]


PROFILED = [
    name for name in CASES if name.split()[0] not in ("masked_lm", "causal_lm", "seq2seq_lm")
]


def inputs_of(parameters: params.Params, split: str) -> dict[str, list]:
    raw = arrow.load(Path("data/raw"))[split]
    return {name: list(raw[name]) for name in parameters.task.inputs}


@cases(PROFILED)
def test_the_profile_is_what_predict_sees_of_validation(done):
    """From tokenized rows and evaluate's predictions, without a forward pass: the same counts."""
    stored = artifacts.read_json(Path("data/export/profile.json"))
    assert Path("data/export/profile.json").stat().st_size < 50_000
    options = {"batch_tokens": 256, "num_threads": 1, "trust_code": False}
    assert predictor.open_export(Path("data/export"), "torch", **options).watch is None
    model = predictor.open_export(Path("data/export"), "torch", **options, watches=True)
    assert model.watch is not None
    model.predict({name: [] for name in done[1].task.inputs})  # counts nothing
    rows = inputs_of(done[1], "validation")
    model.predict(rows)
    assert (model.watch.num_rows, stored["rows"]) == (24, 24)
    assert model.watch.categories == stored["categories"]
    for name, found in stored["numbers"].items():
        assert model.watch.counts[name].tolist() == found["counts"], name
        assert model.watch.sums[name] / 24 == pytest.approx(found["mean"], rel=1e-4)
    facts = {*stored["numbers"], *stored["categories"]}
    assert facts
    if hasattr(model.processor, "unk_token_id"):
        assert {profile.TOKENS, profile.UNCOMMON, profile.UNKNOWN} <= facts
        assert 0 < len(stored["common_tokens"]) <= profile.COMMON_TOKENS


@cases([name for name in CASES if name not in PROFILED])
def test_a_language_model_has_no_profile(done):
    """Its rows are encoded in other ways to be scored than to be predicted."""
    assert not Path("data/export/profile.json").exists()


GERMAN = (
    "Der",
    "Vorstand",
    "teilte",
    "gestern",
    "mit,",
    "dass",
    "über",
    "Zahlen",
    "nächste",
    "Woche",
)


def planted(value: str | list[str], kind: str, random: np.random.Generator) -> str | list[str]:
    """Return a text, or its words, in another language, longer, or with typos."""
    words = value.split() if isinstance(value, str) else value
    if kind == "language":
        words = random.choice(GERMAN, len(words)).tolist()
    elif kind == "longer":
        words = words * 2
    else:
        words = ["".join(random.permutation([*word])) for word in words]
    return " ".join(words) if isinstance(value, str) else words


@cases(["sequence_classification", "token_classification", "embeddings"])
def test_planted_drift_is_flagged_and_rows_alike_are_not(done, monkeypatch):
    """Of 200 halves of the same rows at most 5 % (and their error) are called different."""
    options = {"batch_tokens": 1024, "num_threads": 1, "trust_code": False}
    model = predictor.open_export(Path("data/export"), "onnx", **options, watches=True)
    splits = [inputs_of(done[1], split) for split in ("train", "validation", "test")]
    rows = {name: [v for split in splits for v in split[name]] for name in splits[0]}
    stored = artifacts.read_json(Path("data/export/profile.json"))

    def facts_of(columns: dict[str, list]) -> profile.Facts:
        seen, watch = [], model.watch
        assert watch is not None
        monkeypatch.setattr(watch, "count", lambda facts, num_rows: seen.append(facts))
        model.predict(columns)
        return seen[0]

    def part(facts: profile.Facts, order: np.ndarray) -> profile.Facts:
        categories = {k: [v[i] for i in order] for k, v in facts.categories.items()}
        return profile.Facts({k: v[order] for k, v in facts.numbers.items()}, categories)

    def findings(reference: profile.Facts, found: profile.Facts, size: int) -> list[str]:
        watch = drift.Watch(stored | profile.summarize(reference) | {"rows": 124})
        watch.count(found, size)
        return watch.findings()

    pool, random, called = facts_of(rows), np.random.default_rng(5), 0
    count = len(next(iter(rows.values())))
    with monkeypatch.context() as patch:
        patch.setattr(drift, "DRAWS", 299)
        for _ in range(200):
            order = random.permutation(count)
            called += bool(findings(part(pool, order[:124]), part(pool, order[124:]), count - 124))
    print(f"{done[0]}: {called} of 200 halves")
    assert called <= binom.ppf(0.99, 200, drift.LEVEL)
    half = random.permutation(count)
    for kind in ("language", "longer", "typos"):
        other = {
            name: [planted(values[i], kind, random) for i in half[124:]]
            for name, values in rows.items()
        }
        lines = findings(part(pool, half[:124]), facts_of(other), count - 124)
        print(kind, *lines, sep="\n")
        assert lines, kind
    if done[0] == "sequence_classification":
        labels = pool.categories[profile.LABEL]
        (label,) = {labels[0]}
        mixed = np.array([i for i in half[124:] if labels[i] == label])
        lines = findings(part(pool, half[:124]), part(pool, mixed), len(mixed))
        assert any(line.startswith("drift: predicted label") for line in lines)


@every_plain
def test_snippet_of_the_model_card_runs(done):
    """The code that loads the model works as it is printed."""
    text = Path("data/export/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    medium = done[1].task.medium
    if medium == "image":
        from PIL import Image

        Image.new("RGB", (32, 32)).save("image.png")
    elif medium == "audio":
        Path("clip.wav").write_bytes(audio.encode(np.sin(np.arange(1000)), 4000))
    exec(code.replace("path/to/this/folder", "data/export"), {})


CALLED_WITH = {  # in the code of the model card
    "token_classification": '"words and punctuation as in training".split()',
    "question_answering": '"a question", "a text that answers it"',
    "seq2seq_lm": '"a text"',
    "causal_lm prompts": '"a prompt"',
    "causal_lm conversations": '[{"role": "user", "content": "a question"}]',
}


@cases(CALLED_WITH)
def test_the_code_of_the_model_card_answers_as_predict_does(done):
    """Nothing is sampled; predict alone mends tags that break their scheme and backward spans."""
    name, parameters = done
    task = registry.load(parameters)
    (code,) = re.findall(
        r"```python\n(.*?)\n```", Path("data/export/README.md").read_text(), re.DOTALL
    )
    *setup, last = code.replace("path/to/this/folder", "data/export").splitlines()
    compared, rows = [], [*zip(*inputs_of(parameters, "test").values(), strict=True)][:20]
    for given, predicted in zip(rows, predictions("test"), strict=False):
        called_with = repr(given if len(given) > 1 else given[0]).strip("()")
        names = {}
        exec("\n".join(setup).replace(CALLED_WITH[name], called_with), names)
        answer = eval(last.replace(CALLED_WITH[name], called_with), names)
        if name == "token_classification":
            answer = [tag for _, tag in answer]
            if first_mistake(answer, parameters.task.scheme) is not None:
                continue
        elif name == "question_answering" and names["start"] > names["end"]:
            continue
        elif name.startswith("causal_lm"):
            answer = answer[0]["generated_text"]
        compared.append(task.format_value(answer) == predicted["prediction"])
    assert len(compared) > 5
    assert np.mean(compared) > 0.9


def readme() -> dict[str, list[str]]:
    """Return the cells of the README's table by task."""
    lines = (ROOT / "README.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    rows = [[cell.strip() for cell in row] for row in rows if len(row) >= 7]
    return {row[0].strip("`"): row for row in rows}


def test_readme_lists_every_task():
    """Its table has one row per task."""
    assert set(readme()) == set(params.TASKS)


@every_plain
def test_the_readmes_row_is_true(done):
    """Baselines, scores, exports and the way to load the model are those of the run."""
    _, parameters = done
    _, _, baselines, scores, long, exports, loads = readme()[parameters.task.name]
    found = artifacts.read_json(Path("data/evaluation/metrics.json"))
    assert set(found["baseline"]) <= set(re.findall(r"`(\w+)`", baselines))
    headline = metrics.load(parameters.task.metrics).HEADLINE
    assert headline[0] in re.findall(r"`(\w+)`", scores)
    if " or " not in scores:
        assert set(re.findall(r"`(\w+)`", scores)) <= set(headline)
    assert ("int8" in exports) == Path("data/export/onnx/model_int8.onnx").exists()
    parity = artifacts.read_json(Path("data/export/parity.json"))
    assert ("greedy tokens" in exports) == ("written_alike" in parity)
    card = Path("data/export/README.md").read_text()
    assert f"import {loads.strip('`')}" in card
    assert ("windows with one score" in long) == ("tokenize.window_pooling" in readable(parameters))


def readable(parameters: params.Params) -> set[str]:
    """Return the keys a task reads once long texts are divided."""
    changed = parameters.tokenize.model_copy(update={"overflow": "window"})
    windowed = parameters.model_copy(update={"tokenize": changed})
    return {key for key, scope in rules.TASK_KEYS.items() if scope.covers(windowed)}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["masked_lm", "image_classification", "audio_classification", "seq2seq_lm"]
)
def test_resumed_training_has_the_same_weights(name, tmp_path, monkeypatch):
    """Masks and augmentation depend on (seed, epoch, row), so mid-epoch checkpoints suffice."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    link_code(tmp_path)
    recipe, changes = CASES[name]
    own = {"tokenize.max_length": 16} if name == "masked_lm" else {}
    parameters = prepare_sample(tmp_path, recipe, changes | own | {"train.epochs": 2})
    data, base = arrow.load(Path("data/tokenized")), Path("data/base")
    steps = 2 * -(-len(data["train"]) // parameters.train.batch_size)
    every = parameters.train.model_copy(update={"save_every": steps - steps // 4})
    parameters = parameters.model_copy(update={"train": every})
    Path("work").mkdir()
    train.fine_tune(parameters, data, base, Path("work"), lambda *_: None)
    shutil.copytree("work", "again")
    shutil.rmtree(f"again/checkpoint-{steps}")
    train.fine_tune(parameters, data, base, Path("again"), lambda *_: None)
    assert Path(f"again/checkpoint-{steps}").is_dir()
    one, other = (
        artifacts.sha256_file(Path(folder) / f"checkpoint-{steps}/model.safetensors")
        for folder in ("work", "again")
    )
    assert one == other
