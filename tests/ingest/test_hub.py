"""The Hub path against a loopback stand-in: commits, configurations, refusals, a cut connection."""

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image
from scipy.io import wavfile

from temper.core import arrow, artifacts
from temper.core.errors import InputError
from temper.ingest import hub as source
from temper.ingest import hub_files
from tests.helpers import hub
from tests.helpers.parameters import change
from tests.helpers.teachers import write_teacher
from tests.helpers.waiting import LIMIT_S
from tests.helpers.workspace import ROOT, environment

pytestmark = pytest.mark.slow

CARD = b"""---
license: mit
configs:
- config_name: small
  data_files:
  - {split: train, path: small/train.csv}
  - {split: test, path: small/test.csv}
- config_name: large
  data_files:
  - {split: train, path: large/train.csv}
---
"""
ROWS = "sentence1,sentence2,label\n" + "".join(
    f"He opened box {i}.,Box {i} was opened.,{('not_equivalent', 'equivalent')[i % 2]}\n"
    for i in range(40)
)


@pytest.fixture
def served(write_params):
    write_params()
    model = {p.name: p.read_bytes() for p in Path("data/sample/model").iterdir()}
    data = {
        "README.md": CARD,
        "small/train.csv": ROWS.encode(),
        "small/test.csv": ROWS.replace("box", "case").encode(),
        "large/train.csv": ROWS.encode() * 1,
    }
    repos = {"datasets/me/data": data, "models/me/model": model, "models/me/closed": model}
    with hub.serve(hub.Hub(repos, private={"models/me/closed"})) as found:
        yield found


def download(served, what, check=True, **variables):
    targets = {"dataset": "raw", "model": "base", "teacher": "teachers", "zero_shot": "zero_shot"}
    target = f"data/{targets[what]}"
    Path("data/files", what).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "stages.download", what, f"data/files/{what}", target]
    more = {
        "HF_ENDPOINT": served.url,
        "HF_HOME": str(Path("home").resolve()),
        "PYTHONPATH": str(ROOT),
    }
    more |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        command,
        env=environment(**more, **variables),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def from_hub(write_params, **changes):
    place = {"name": "me/data", "config": "small", "revision": "main", "splits": {}}
    return write_params(data__source="hub", data__files={}, data__hub=place | changes)


def test_pins_a_branch_to_its_commit(served, write_params):
    """summary.json has the commit and the licence, and rows are those of the configuration."""
    from_hub(write_params)
    done = download(served, "dataset")
    stay = f"on the Hub is at commit {hub.COMMIT} now; to stay there:"
    assert f"me/data {stay} data.hub.revision\n" in done.stdout
    summary = artifacts.read_json(Path("data/raw/summary.json"))
    assert summary["commit"] == hub.COMMIT
    assert summary["name"] == "me/data"
    assert summary["splits"]["test"]["rows"] == 40
    assert arrow.load(Path("data/raw"))["test"][0]["sentence1"] == "He opened case 0."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config": "smal"}, "no config 'smal' (did you mean 'small'?); there are small, large"),
        ({"config": None}, "there are small, large"),
        ({"revision": "nowhere"}, "no such commit, branch or tag"),
        ({"name": "me/nothing"}, "the Hub returned 404"),
        ({"splits": {"train": "trian"}}, "no split 'trian' (did you mean 'train'?)"),
    ],
)
def test_names_what_the_hub_does_not_have(served, write_params, changes, message):
    """The error lists what there is, and data/raw is not written."""
    from_hub(write_params, **changes)
    done = download(served, "dataset", check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path("data/raw").exists()


def test_gated_model_needs_a_token_that_is_never_written(served, write_params):
    """A 401 names HF_TOKEN; with it the model comes, and no file holds the token."""
    write_params(model__name="me/closed", model__files={})
    done = download(served, "model", check=False)
    assert done.returncode == 1
    assert "set HF_TOKEN" in done.stderr
    download(served, "model", HF_TOKEN=hub.TOKEN)
    assert artifacts.read_json(Path("data/base/summary.json"))["commit"] == hub.COMMIT
    for path in Path().rglob("*"):
        if path.is_file():
            assert hub.TOKEN.encode() not in path.read_bytes(), path


def test_a_teacher_comes_from_its_commit(served, write_params):
    """The commit is beside its weights, for the card and the MLflow run; nothing else is kept."""
    teachers = {"big": {"name": "me/big", "revision": "main"}}
    write_params(train__teachers=teachers, train__distillation={"weight": 0.5})
    write_teacher(Path("big"))
    shutil.copy(ROOT / "dvc.yaml", ".")
    served.repos["models/me/big"] = {p.name: p.read_bytes() for p in Path("big").iterdir()}
    served.repos["models/me/big"]["training_args.bin"] = b"not fetched"
    done = download(served, "teacher", DVC_STAGE="teachers@big")
    assert "to stay there: train.teachers.big.revision\n" in done.stdout
    found = Path("data/teachers/big")
    origin = {"name": "me/big", "commit": hub.COMMIT, "license": "mit"}
    assert artifacts.read_json(found / "origin.json") == origin
    weights = [artifacts.sha256_file(f / "model.safetensors") for f in (found, Path("big"))]
    assert weights[0] == weights[1]
    assert not (found / "training_args.bin").exists()


def test_a_zero_shot_model_comes_from_its_commit(served, write_params):
    """The commit is beside its weights; where params.yaml names it, nothing is said of it."""
    model = {"name": "me/big", "revision": hub.COMMIT, "template": "It is {}."}
    write_params(evaluate__zero_shot={"big": model})
    write_teacher(Path("big"))
    shutil.copy(ROOT / "dvc.yaml", ".")
    served.repos["models/me/big"] = {p.name: p.read_bytes() for p in Path("big").iterdir()}
    done = download(served, "zero_shot", DVC_STAGE="zero_shot@big")
    assert "to stay there" not in done.stdout
    origin = artifacts.read_json(Path("data/zero_shot/big/origin.json"))
    assert origin == {"name": "me/big", "commit": hub.COMMIT, "license": "mit"}


def test_recovers_from_a_connection_cut_in_mid_file(served, write_params):
    """It says so, leaves nothing half-written and works when it is run again."""
    write_params(model__name="me/model", model__files={})
    served.cut.add("tokenizer.json")
    done = download(served, "model", check=False)
    assert done.returncode == 1
    assert "run the command again" in done.stderr
    assert not Path("data/base").exists()
    served.cut.clear()
    download(served, "model")
    assert Path("data/base/processor/tokenizer.json").exists()


def test_streams_the_first_rows(served, write_params):
    """Of a large file few bytes are read; the rows and their order are the commit's each time."""
    random = np.random.default_rng(5)
    rows = [
        f"{i} {random.bytes(140).hex()},Box {i},{('not_equivalent', 'equivalent')[i % 2]}"
        for i in range(60_000)
    ]
    content = "\n".join(["sentence1,sentence2,label", *rows]).encode()
    served.repos["datasets/me/data"]["small/train.csv"] = content
    digests = []
    for count in (100, 100, 101):
        from_hub(write_params, rows=count)
        served.sent.clear()
        shutil.rmtree("data/raw", ignore_errors=True)
        download(served, "dataset")
        assert 0 < served.sent["small/train.csv"] < len(content) / 2
        summary = artifacts.read_json(Path("data/raw/summary.json"))
        assert [summary["commit"], summary["first_rows"]] == [hub.COMMIT, count]
        splits = arrow.load(Path("data/raw"))
        numbers = [
            int(text.split()[0])
            for s in ("train", "validation")
            for text in splits[s]["sentence1"][:]
        ]
        assert sorted(numbers) == list(range(count))
        assert numbers[: len(splits["train"])] == sorted(numbers[: len(splits["train"])])
        assert splits["test"]["sentence1"][:] == [f"He opened case {i}." for i in range(40)]
        digests.append(arrow.digests(Path("data/raw")))  # the training fingerprint covers them
    assert digests[0] == digests[1] != digests[2]


def test_a_stream_has_files_and_label_names_as_a_download_has_them():
    """A limit above the number of rows changes nothing; one below leaves the first ones."""
    png = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(png, "PNG")
    names = datasets.ClassLabel(names=["dog", "cat"])
    types = {"image": datasets.Image(), "clip": datasets.Audio(), "label": names}
    columns = {
        "image": [{"bytes": png.getvalue(), "path": None}] * 9,
        "clip": [{"bytes": wav(i), "path": f"{i}.wav"} for i in range(9)],
        "label": [i % 3 - 1 for i in range(9)],
    }
    table = pa.table(columns, schema=datasets.Features(types).arrow_schema)
    downloaded = datasets.Dataset(table)
    stream = downloaded.to_iterable_dataset()
    (full,) = source._batches(downloaded, None, "me/data")
    assert full["label"][:3] == [None, "dog", "cat"]
    assert full["clip"] == columns["clip"]
    assert [full] == list(source._batches(stream, 30, "me/data"))
    first = {name: values[:4] for name, values in full.items()}
    assert [first] == list(source._batches(stream, 4, "me/data"))


def wav(i: int) -> bytes:
    """A clip of one or two channels at another rate than the next, of 8 to 64 bits."""
    rate, kind = (8000, 16000, 22050, 44100)[i % 4], ("u1", "i2", "i4", "f4", "f8")[i % 5]
    tone = 0.5 * np.sin(2 * np.pi * (300 + 20 * i) * np.arange(rate // 10) / rate)
    full = {"u1": 127, "i2": 2**15 - 1, "i4": 2**31 - 1}.get(kind, 1)
    samples = (tone * full + (128 if kind == "u1" else 0)).astype(kind)
    stream = io.BytesIO()
    wavfile.write(stream, rate, np.stack([samples, samples], 1) if i % 3 == 1 else samples)
    return stream.getvalue()


@pytest.mark.parametrize(("form", "rows"), [("folders", None), ("metadata", 20)])
def test_files_of_a_repository_are_read_as_they_are(write_params, form, rows):
    """Downloaded or streamed, without the decoder that `datasets` asks for."""
    labels = ["low", "high"] * 10
    places = {
        "folders": [f"train/{label}/{i:02}.wav" for i, label in enumerate(labels)],
        "metadata": [f"train/{i:02}.wav" for i in range(20)],
    }[form]
    files = {place: wav(i) for i, place in enumerate(places)}
    if form == "metadata":
        table = [f"{i:02}.wav,{label}" for i, label in enumerate(labels)]
        files["train/metadata.csv"] = "\n".join(["file_name,label", *table]).encode()
    write_params()
    recipe = yaml.safe_load((ROOT / "recipes/sample-audio_classification.yaml").read_text())
    place = {"name": "me/clips", "rows": rows}
    changes = {"data.source": "hub", "data.files": {}, "data.hub": place}
    Path("params.yaml").write_text(yaml.safe_dump(change(recipe, changes)))
    with hub.serve(hub.Hub({"datasets/me/clips": files})) as served:
        download(served, "dataset")
    found = [row for split in arrow.load(Path("data/raw")).values() for row in split]
    names = ["high", "low"]
    read = {(row["audio"], names[row["label"]]) for row in found}
    assert read == {(wav(i), label) for i, label in enumerate(labels)}


@pytest.mark.parametrize(
    "path",
    [
        "/etc/hosts",
        "1.wav",
        "hf://datasets/me/other@main/1.wav",
        "hf://datasets/me/data@main/../../other/1.wav",
        "/etc/hosts::hf://datasets/me/data@main/a",
        "file:///etc/hosts::hf://datasets/me/data@main/a",
        "file:///../../etc/hosts::hf://datasets/me/data@main/a",
        "simplecache::zip://1.wav::hf://datasets/me/data@main/a.zip",
        "zip://1.wav::file:///tmp/a.zip::hf://datasets/me/data@main/a",
        "zip://../1.wav::hf://datasets/me/data@main/a.zip",
        "zip://1.wav::hf://datasets/me/other@main/a.zip",
    ],
)
def test_names_of_other_files_are_refused(path):
    """A data set cannot have files of this machine read."""
    batch = {"clip": [{"bytes": None, "path": path}]}
    message = f"column 'clip' names the file {re.escape(path)}, which is not in"
    with pytest.raises(InputError, match=message):
        next(hub_files.with_files([batch], ["clip"], "me/data"))


@pytest.mark.parametrize("members", ["", "zip://low/1.wav::", "gzip://1.wav::zip://1.wav.gz::"])
def test_files_of_the_repository_and_of_its_archives_are_its_own(members):
    assert hub_files._is_of(f"{members}hf://datasets/me/data@main/a", "me/data")


def test_a_batch_has_few_bytes(monkeypatch):
    """A row that would make it too large begins the next; one that is too large is alone."""
    monkeypatch.setattr(arrow, "MAX_BATCH_BYTES", 10)
    batch = {"clip": [{"bytes": b"x" * size, "path": None} for size in (4, 6, 1, 20, 3)]}
    found = hub_files.with_files([batch], ["clip"], "me/data")
    sizes = [[len(cell["bytes"]) for cell in rows["clip"]] for rows in found]
    assert sizes == [[4, 6], [1], [20], [3]]


def test_a_connection_lost_while_rows_are_made_is_no_broken_file():
    """`datasets` reports both in the same way."""
    for cause, message in (
        (ConnectionError("reset"), r"the connection failed .*run the command again"),
        (ValueError("no JSON"), "its files cannot be read as rows: ValueError: no JSON"),
    ):
        failed = datasets.exceptions.DatasetGenerationError("failed")
        failed.__cause__ = cause
        with pytest.raises(InputError, match=message), source.explain_hub_errors("dataset", None):
            raise failed
