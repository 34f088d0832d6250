"""One contract over all tasks: from raw rows to predictions in their order, by the real stages."""

import csv
import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from stages import download, evaluate, export, hash_inputs, train
from temper import inference, metrics, params
from temper.cli import predict
from temper.core import arrow, artifacts, yaml_file
from temper.models import loading
from temper.params import rules
from temper.params.train import Augmentation
from temper.prediction import predictor
from temper.tasks.base import registry
from tests.helpers.workspace import ROOT, change, load_data

ROWS = {"train": 200, "validation": 24, "test": 24}
TASKS = sorted(path.stem for path in (ROOT / "temper/tasks").glob("[a-z]*_*.py"))
CASES = {  # name → recipe, changes that let 200 rows be learned by heart
    "sequence_classification": ("params.yaml", {"train.epochs": 12}),
    "sequence_classification pair": (
        "params.yaml",
        {
            "train.epochs": 12,
            "model.head": {"kind": "linear", "pooling": "pair", "dropout": 0.1},
        },
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
    "seq2seq_lm": ("recipes/sample-seq2seq_lm.yaml", {"train.epochs": 12}),
    "causal_lm": ("recipes/sample-causal_lm.yaml", {"train.epochs": 50}),
    "causal_lm prompts": (
        "recipes/sample-causal_lm.yaml",
        {"train.epochs": 12, "task.prompt": "sentence1", "task.text": "label"},
    ),
}
DONE: dict[str, Path] = {}


def test_every_task_has_a_case_and_a_sample():
    """A task file without a contract, a schema or a recipe is found."""
    assert {name.split()[0] for name in CASES} == set(TASKS) == set(params.TASKS)
    for recipe, _ in CASES.values():
        assert (ROOT / recipe).exists()


def rows_of(path: Path, count: int) -> list[dict]:
    """Return the first rows of a sample file."""
    if path.suffix == ".parquet":
        return pq.read_table(path).slice(0, count).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        return list(itertools.islice(rows, count))


def write_rows(path: Path, rows: list[dict]) -> None:
    import pyarrow as pa

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def prepare(folder: Path, recipe: str, changes: dict) -> params.Params:
    """Write params.yaml and small data files in the working directory; download and tokenize."""
    tree = yaml.load((ROOT / recipe).read_text(), Loader=yaml_file.Loader)
    change(
        tree, {"evaluate.bootstrap_samples": 50, "train.metric_for_best_model": "loss", **changes}
    )
    change(tree, {"train.evaluate_every": 50, "train.save_every": 1000, "train.batch_size": 20})
    if "int8" in tree["export"]:
        tree["export"]["max_score_drop"] = 1.0
    for split, count in ROWS.items():
        source = ROOT / tree["data"]["files"][split]
        suffix = ".parquet" if source.suffix == ".parquet" else ".jsonl"
        rows = rows_of(source, count)
        if tree["task"]["name"] == "masked_lm":  # other words are hidden each time: fewer texts
            rows = rows[:4] * (count // 4)
        write_rows(Path(f"{split}{suffix}"), rows)
        tree["data"]["files"][split] = f"{split}{suffix}"
    (model,) = tree["model"]["files"].values()
    shutil.copytree(ROOT / model, folder / model)
    Path("params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    parameters = params.load()
    return load_data(parameters)


@pytest.fixture
def done(request, tmp_path, tmp_path_factory, monkeypatch) -> tuple[str, params.Params]:
    """Go to a workspace in which every stage of a case has run; built once, then copied."""
    name = request.param
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    if name not in DONE:
        folder = tmp_path_factory.mktemp("task")
        monkeypatch.chdir(folder)
        (folder / "launch").symlink_to(ROOT / "launch")
        for code in ("stages", "temper"):
            (folder / code).symlink_to(ROOT / code)
        shutil.copy(ROOT / "dvc.yaml", folder)
        prepare(folder, *CASES[name])
        targets = [Path("data") / out for out in ("model", "checkpoints", "history")]
        train.main(Path("data/tokenized"), Path("data/base"), *targets)
        evaluate.main(
            *(Path("data") / n for n in ("model", "tokenized", "raw", "zero_shot", "evaluation"))
        )
        export.main(
            *(Path("data") / n for n in ("model", "evaluation", "tokenized", "raw/summary.json")),
            Path("data/export"),
        )
        DONE[name] = folder
    monkeypatch.chdir(DONE[name])
    return name, params.load()


every_task = pytest.mark.parametrize("done", CASES, indirect=True)
MODEL_WITH_HEAD = [name for name, (_, changes) in CASES.items() if "model.head" in changes]
every_plain = pytest.mark.parametrize(
    "done", [n for n in CASES if n not in MODEL_WITH_HEAD], indirect=True
)


def history() -> list[dict[str, str]]:
    with open("data/history/train.csv", newline="") as file:
        return list(csv.DictReader(file))


def predictions(split: str) -> list[dict[str, str]]:
    with open(f"data/evaluation/predictions/{split}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@every_task
def test_the_loss_halves(done):
    """200 rows are learned: the mean of the last epoch's losses is half of the first steps'."""
    losses = [float(row["loss"]) for row in history()]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:2])


@every_task
def test_every_example_is_scored_once_and_in_order(done):
    """One row per raw example, its own reference beside it."""
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
    """The headline lies in its interval; baselines have it too; the page shows the worst rows."""
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
    """Every tensor of them, of the shortest rows as of the longest; of images always."""
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
def test_exports_agree(done):
    """parity.json says so, and the files are there."""
    _, parameters = done
    parity = artifacts.read_json(Path("data/export/parity.json"))
    assert parity["onnx_max_difference"] < 1e-3
    assert Path("data/export/onnx/model_int8.onnx").exists() == bool(parameters.export.int8)
    assert ("written_alike" in parity) == (parameters.evaluate.generation is not None)


@every_task
def test_predict_answers_as_evaluate_did(done, tmp_path):
    """`temper predict` on the test file: its columns and order, and the same answers by ONNX."""
    _, parameters = done
    source, target = Path(parameters.data.files["test"]), tmp_path / "scored.jsonl"
    if source.suffix == ".parquet":
        target = tmp_path / "scored.parquet"
    predict.predict(Path("data/export"), source, target, "onnx", 8, 1)
    rows = rows_of(target, 1000)
    assert len(rows) == 24
    given = rows_of(source, 1000)
    assert [{k: row[k] for k in given[0]} for row in rows] == given
    task, kind = registry.load(parameters), parameters.task.metrics
    answers = [row["prediction"] for row in rows]
    if kind == "language":
        assert all(isinstance(answer, str) for answer in answers)
        return
    expected = [row["prediction"] for row in predictions("test")]
    assert [str(task.format_value(a)) if not isinstance(a, str) else a for a in answers] == expected


@every_plain
def test_the_cards_snippet_runs(done):
    """What the model card says of loading the model works as it stands."""
    text = Path("data/export/README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    if parameters_image(done[1]):
        from PIL import Image

        Image.new("RGB", (32, 32)).save("image.png")
    exec(code.replace("path/to/this/folder", "data/export"), {})


def parameters_image(parameters: params.Params) -> bool:
    return parameters.task.name == "image_classification"


# -- texts as people write them ------------------------------------------------------------------

ODD = (
    "",
    "naïve café 😀 end",
    "e\u0301galite\u0301 你好 世界",
    "tab\there  and\u00a0there",
    "🇫🇷👩‍👩‍👧",
)


def load(recipe: str, **changes) -> tuple[registry.Task, object, object]:
    """Return a task, its processor and its model's config, from a recipe."""
    tree = yaml.load((ROOT / recipe).read_text(), Loader=yaml_file.Loader)
    change(tree, {key.replace("__", "."): value for key, value in changes.items()})
    parameters = params.Params.model_validate_json(json.dumps(tree))
    (model,) = parameters.model.files.values()
    task = registry.load(parameters)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(ROOT / model))
    return task, registry.load_processor(ROOT / model, task), config


def test_answers_map_back_to_their_text():
    """The labelled tokens' characters cover the answer, whatever surrounds it."""
    task, processor, _ = load("recipes/sample-question_answering.yaml")
    for before, after in itertools.product(ODD, repeat=2):
        context = f"{before} Anna went to Oslo. {after}"
        start = context.index("Oslo")
        row = {
            "question": ["Where?"],
            "context": [context],
            "answers": [{"text": ["Oslo"], "answer_start": [start]}],
        }
        found = task.encode(row, processor, mode="train")
        spans = [
            context[found["starts"][i][a] : found["ends"][i][b]]
            for i, (a, b) in enumerate(found["labels"])
            if b
        ]
        assert "Oslo" in spans
        assert set(spans) == {"Oslo"}


def test_windows_lose_no_answer_and_decode_finds_it():
    """A long text: each token of the context is in a window, and the best span is read off."""
    task, processor, _ = load(
        "recipes/sample-question_answering.yaml", tokenize__max_length=24, tokenize__stride=6
    )
    context = " ".join(f"word{i} ." for i in range(40)) + " Anna went to Oslo."
    examples = inference.Features([{"question": "Where ?", "context": context}])
    columns = task.encode(
        {"question": ["Where ?"], "context": [context]}, processor, mode="evaluate"
    )
    covered = {
        at
        for starts, ends in zip(columns["starts"], columns["ends"], strict=True)
        for a, b in zip(starts, ends, strict=True)
        for at in range(a, b)
    }
    assert {i for i, c in enumerate(context) if c != " "} <= covered
    assert len(columns["input_ids"]) > 5
    start, logits = context.index("Oslo"), []
    for starts, ends in zip(columns["starts"], columns["ends"], strict=True):
        one = np.zeros((2, len(starts)))
        for i, (a, b) in enumerate(zip(starts, ends, strict=True)):
            one[:, i] += 9.0 * (a >= start and b <= start + 4)
        logits.append(one)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answer = task.decode({"logits": logits}, inference.Features(rows), examples, processor)
    assert answer == ["Oslo"]
    silent = [np.eye(2, len(one[0]))[[0, 0]] * 50 + one for one in logits]
    assert task.decode({"logits": silent}, inference.Features(rows), examples, processor) == [""]


@pytest.mark.parametrize("long", ["truncate", "window"])
def test_words_keep_their_tags(long):
    """Each word's label stands on its first token, once; with windows no word is lost."""
    stride = {"tokenize__stride": 4} if long == "window" else {}
    task, processor, _ = load(
        "recipes/sample-token_classification.yaml",
        tokenize__overflow=long,
        tokenize__max_length=16,
        **stride,
    )
    task.label_names = ["O", "B-PER", "I-PER"]
    words = [word for text in ODD for word in (text.split() or [""])] * 4
    tags = [i % 2 for i in range(len(words))]
    given = {"words": [words, ["Anna"], []], "tags": [tags, [1], []]}
    columns = task.encode(given, processor, mode="evaluate")
    places = [
        (example, word, label)
        for example, ids, labels in zip(
            *(columns[n] for n in ("example_id", "word_ids", "labels")), strict=True
        )
        for word, label in zip(ids, labels, strict=True)
        if word >= 0
    ]
    assert len({place[:2] for place in places}) == len(places)
    assert all(label == given["tags"][example][word] for example, word, label in places)
    has_tokens = {i for i, w in enumerate(words) if processor.tokenize(w)}
    seen = {word for example, word, _ in places if example == 0}
    assert seen == has_tokens if long == "window" else seen < has_tokens
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    logits = [np.eye(3)[np.clip(row["labels"], 0, 2)] * 9 for row in rows]
    examples = inference.Features({"words": row} for row in given["words"])
    found = task.decode({"logits": logits}, inference.Features(rows), examples, processor)
    assert [len(row) for row in found] == [len(row) for row in given["words"]]
    kept = [task.label_names[tag] if i in seen else "O" for i, tag in enumerate(tags)]
    assert found[0] == kept


def test_tags_follow_their_scheme():
    """Viterbi against every legal path, in three schemes."""
    from temper.tasks.base import spans as module

    random = np.random.default_rng(3)
    names = ["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y"]
    for scheme in ("IOB1", "IOB2", "BIOES"):
        known = names if scheme == "BIOES" else [n for n in names if n[0] in "OBI"]
        for _ in range(5):
            scores = random.normal(size=(4, len(known)))
            legal = [
                path
                for path in itertools.product(range(len(known)), repeat=4)
                if all(
                    module.follows(
                        known[b] if b is not None else None,
                        known[a] if a is not None else None,
                        scheme,
                    )
                    for a, b in itertools.pairwise((None, *path, None))
                )
            ]
            best = max(legal, key=lambda path: scores[range(4), path].sum())
            assert module.legal_path(scores, known, scheme) == list(best)
    assert not module.follows("I-X", "O", "IOB2")
    assert module.follows("I-X", "O", "IOB1")
    assert not module.follows(None, "B-X", "BIOES")


def test_blocks_lose_no_token():
    """Packed or not, the tokens come back; unpacked ones know their text."""
    task, processor, _ = load("recipes/sample-masked_lm.yaml", tokenize__max_length=8)
    texts = ["Anna opened eleven boxes in Oslo before summer.", *ODD]
    whole = processor(texts)["input_ids"]
    packed = task.encode({"sentence1": texts}, processor, mode="train")
    assert [i for row in packed["input_ids"] for i in row] == [i for row in whole for i in row]
    assert {len(row) for row in packed["input_ids"][:-1]} == {8}
    alone = task.encode({"sentence1": texts}, processor, mode="evaluate")
    for example, ids in enumerate(whole):
        parts = [
            part
            for part, e in zip(alone["input_ids"], alone["example_id"], strict=True)
            if e == example
        ]
        assert [i for part in parts for i in part] == ids


def test_masks_are_of_whole_words_and_drawn_from_their_seed():
    """All tokens of a word or none; the same draw gives the same masks, another one others."""
    task, processor, config = load("recipes/sample-masked_lm.yaml", task__mask_probability=0.3)
    texts = ["Xylophonists unquestionably juxtaposed bricklayers and goldsmiths."]
    columns = task.encode({"sentence1": texts}, processor, mode="evaluate")
    row = {name: values[0] for name, values in columns.items()}
    collate, words = task.collator(processor, config), np.array(columns["word_ids"][0])
    draws = [collate([row | {"draw": (1, 2, 3 + i)}]) for i in range(40)]
    again = collate([row | {"draw": (1, 2, 3)}])
    np.testing.assert_array_equal(draws[0]["input_ids"], again["input_ids"])
    assert len({batch["labels"].tobytes() for batch in draws}) > 10
    shares = []
    for batch in draws:
        chosen = batch["labels"][0][: len(words)] != -100
        assert not chosen[words < 0].any()
        for word in set(words[words >= 0]):
            assert len(set(chosen[words == word])) == 1
        shares.append(chosen[words >= 0].mean())
        assert (
            batch["labels"][0][: len(words)][chosen] == np.array(row["input_ids"])[chosen]
        ).all()
    assert 0.15 < np.mean(shares) < 0.45


def test_prompts_are_not_learned():
    """Labels are the completion and the end, each at the token before it."""
    task, processor, config = load(
        "recipes/sample-causal_lm.yaml", task__prompt="sentence1", task__text="label"
    )
    given = {"sentence1": ["Anna opened boxes"], "label": ["in Oslo"]}
    columns = task.encode(given, processor, mode="train")
    row = {name: values[0] for name, values in columns.items()}
    batch = task.collator(processor, config)([row])
    wanted = [*processor("in Oslo")["input_ids"], processor.eos_token_id]
    labels = batch["labels"][0]
    assert labels[labels >= 0].tolist() == wanted
    at = np.flatnonzero(labels >= 0)
    assert at[0] == len(processor("Anna opened boxes")["input_ids"]) - 1
    assert batch["input_ids"][0][at + 1].tolist() == wanted[: len(at)]


def test_other_numbers_of_choices():
    """Two choices and five in one batch: the shorter row's answer is one of its own."""
    import torch
    from transformers import AutoModelForMultipleChoice

    task, processor, config = load(
        "recipes/sample-multiple_choice.yaml", task__choices=["endings"], task__stem=None
    )
    given = {
        "context": ["Anna came."] * 3,
        "endings": [["a", "b"], ["c", "d", "e", "f", "g"], ["😀", ""]],
        "label": [1, 4, 0],
    }
    columns = task.encode(given, processor, mode="train")
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    torch.manual_seed(0)
    model = AutoModelForMultipleChoice.from_config(config)
    forward, collate = inference.torch_forward(model, task), task.collator(processor, config)
    windows = list(inference.predict(forward, inference.Features(rows), collate, 3, task))
    together = windows[0][1]
    assert [len(row) for row in together] == [2, 5, 2]
    for row, logits in zip(rows, together, strict=True):
        (alone,) = task.unpad(forward(collate([row])), [row])
        np.testing.assert_allclose(alone, logits, atol=1e-5)
    with pytest.raises(ValueError, match="choice 2 of 2"):
        task.encode(given | {"label": [2, 0, 0]}, processor, mode="train")


def test_augmentation_is_drawn_from_seed_epoch_and_row():
    """The same draw gives the same picture; without augmentation pixels are what they were."""
    task, processor, config = load("recipes/sample-image_classification.yaml")
    image = rows_of(ROOT / "data/sample/image_classification/train.parquet", 1)[0]["image"]
    columns = task.encode({"image": [image], "label": [0]}, processor, mode="train")
    row = {name: values[0] for name, values in columns.items()}
    p = Augmentation(flip=True, crop=0.5, brightness=0.3, contrast=0.3)
    collate, plain = task.collator(processor, config, p), task.collator(processor, config)
    one, same, other = (
        collate([row | {"draw": draw}])["pixel_values"]
        for draw in ((1, 1, 0), (1, 1, 0), (1, 2, 0))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    back = plain([row])["pixel_values"][0] * 0.25 + 0.5
    from temper.tasks.image_classification import open_image

    expected = np.asarray(open_image(image)).transpose(2, 0, 1)
    np.testing.assert_allclose(back * 255, expected, atol=0.51)


@pytest.mark.parametrize(
    ("key", "off"), [("flip", False), ("crop", 1.0), ("brightness", 0.0), ("contrast", 0.0)]
)
def test_each_augmentation_changes_the_picture(key, off):
    """With one of them on pixels differ, with all off they do not."""
    from temper.tasks.image_classification import augment

    nothing = {"flip": False, "crop": 1.0, "brightness": 0.0, "contrast": 0.0}
    on = {"flip": True, "crop": 0.4, "brightness": 0.5, "contrast": 0.5}
    pixels = np.random.default_rng(1).integers(0, 255, (3, 16, 16), dtype=np.uint8)
    still = [augment(pixels, (i,), Augmentation(**nothing)) for i in range(4)]
    moved = [augment(pixels, (i,), Augmentation(**nothing | {key: on[key]})) for i in range(4)]
    assert all(np.array_equal(image, pixels) for image in still)
    assert any(not np.array_equal(image, pixels) for image in moved)
    assert nothing[key] == off


def test_a_models_own_domain_is_the_base_of_a_task(tmp_path, monkeypatch):
    """Masked words first, then labels: the backbone's weights are the first run's."""
    import torch
    from safetensors.torch import load_file

    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    for name in ("launch", "stages", "temper"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    prepare(tmp_path, "recipes/sample-masked_lm.yaml", {"train.epochs": 1})
    targets = [Path("data") / out for out in ("model", "checkpoints", "history")]
    train.main(Path("data/tokenized"), Path("data/base"), *targets)
    shutil.move("data/model", "domain")
    shutil.rmtree("data/base")
    tree = yaml.load((ROOT / "params.yaml").read_text(), Loader=yaml_file.Loader)
    own = {"model.name": "domain", "model.files": {"domain": "domain"}, "model.from_scratch": False}
    Path("params.yaml").write_text(yaml.safe_dump(change(tree, own), sort_keys=False))
    parameters = params.load()
    hash_inputs.main(Path("domain"), Path("data/files/model/domain.json"))
    download.main("model", Path("data/files/model"), Path("data/base"))
    from temper.training import networks

    features = {"labels": datasets_label()}
    network = networks.build(
        Path("data/base"), registry.load(parameters, features), features, parameters.model
    )
    stored, found = load_file("domain/model.safetensors"), network.state_dict()
    shared = [name for name in stored if name in found]
    assert len(shared) > 15
    assert all(torch.equal(stored[name], found[name]) for name in shared)
    summary = artifacts.read_json(Path("data/base/summary.json"))
    assert "classifier.weight" in summary["tensors"]["new"]
    assert any(name.startswith("cls.") for name in summary["tensors"]["unused"])


def datasets_label():
    from datasets import ClassLabel

    return ClassLabel(names=["not_equivalent", "equivalent"])


# -- what the README says of each task -----------------------------------------------------------


def readme() -> dict[str, list[str]]:
    """Return the cells of the README's table by task."""
    lines = (ROOT / "README.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    rows = [[cell.strip() for cell in row] for row in rows if len(row) >= 7]
    return {row[0].strip("`"): row for row in rows}


def test_the_readme_lists_every_task():
    assert set(readme()) == set(params.TASKS)


@every_plain
def test_the_readmes_row_is_true(done):
    """Baselines, scores, exports and how the model is loaded, as the run shows them."""
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
    return {key for key, is_read in rules.TASK_KEYS.items() if is_read(windowed)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["masked_lm", "image_classification", "seq2seq_lm"])
def test_a_resumed_training_has_the_same_weights(name, tmp_path, monkeypatch):
    """What is hidden or augmented depends on (seed, epoch, row): from a checkpoint in mid-epoch."""
    monkeypatch.setenv("TEMPER_TRACKING", "off")
    monkeypatch.chdir(tmp_path)
    for linked in ("launch", "stages", "temper"):
        (tmp_path / linked).symlink_to(ROOT / linked)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    recipe, changes = CASES[name]
    own = {"tokenize.max_length": 16} if name == "masked_lm" else {}
    parameters = prepare(tmp_path, recipe, changes | own | {"train.epochs": 2})
    data, base = arrow.load(Path("data/tokenized")), Path("data/base")
    steps = 2 * -(-len(data["train"]) // parameters.train.batch_size)
    every = parameters.train.model_copy(update={"save_every": steps - steps // 4})
    parameters = parameters.model_copy(update={"train": every})
    Path("work").mkdir()
    train.fine_tune(parameters, data, base, Path("work"), lambda *_: None)
    shutil.copytree("work", "again")
    shutil.rmtree(f"again/checkpoint-{steps}")
    engine = train.fine_tune(parameters, data, base, Path("again"), lambda *_: None)
    assert engine.state.global_step == steps
    one, other = (
        artifacts.sha256_file(Path(folder) / f"checkpoint-{steps}/model.safetensors")
        for folder in ("work", "again")
    )
    assert one == other
