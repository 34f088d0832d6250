"""`temper push` shows what it would send, sends it, and says in one line why it could not."""

from pathlib import Path

import pytest

from temper.cli import push
from temper.core.errors import InputError
from tests.helpers import hub


@pytest.fixture
def model(tmp_path, monkeypatch):
    """Go to a folder with an export, as far as the Hub is concerned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", hub.TOKEN)
    (tmp_path / "data/export/onnx").mkdir(parents=True)
    Path("data/export/README.md").write_text("# A card\n")
    Path("data/export/onnx/model.onnx").write_bytes(b"graph")
    return Path("data/export")


@pytest.fixture
def served(monkeypatch):
    with hub.serve(hub.Hub({})) as found:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.url)
        yield found


def test_the_hub_gets_the_files(model, served, capsys):
    """In a repository that is created with the given visibility."""
    push.push("me/model", model, private=True)
    assert served.repos["models/me/model"] == {
        "README.md": b"# A card\n",
        "onnx/model.onnx": b"graph",
    }
    (created,) = served.created
    assert (created["name"], created["organization"], created["visibility"]) == (
        "model", "me", "private",
    )  # fmt: skip
    assert f"uploaded: {served.url}/me/model/commit/{hub.COMMIT}" in capsys.readouterr().out


@pytest.mark.usefixtures("served")
def test_a_refusal_is_one_line(model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(InputError, match=r"me/model: refused by the Hub: .*401") as caught:
        push.push("me/model", model)
    assert "hf_another" not in str(caught.value)


def test_a_hub_that_cannot_be_reached_is_one_line(model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(
        InputError,
        match=r"^me/model: http://127\.0\.0\.1:1 cannot be reached \(.*refused.*\); rerun",
    ) as caught:
        push.push("me/model", model)
    assert "\n" not in str(caught.value)


def test_wrong_options_stop_it_before_it_sends(model, served, monkeypatch, capsys):
    """So does a missing token; a dry run needs none."""
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    push.push("me/model", model, dry_run=True)
    assert "onnx/model.onnx" in capsys.readouterr().out
    with pytest.raises(InputError, match="set HF_TOKEN"):
        push.push("me/model", model)
    with pytest.raises(InputError, match="expected user/name"):
        push.push("model", model)
    with pytest.raises(InputError, match="--examples: they are shown by a Space; add --space"):
        push.push("me/model", model, examples=3)
    with pytest.raises(InputError, match="no exported model; run dvc repro"):
        push.push("me/model", model / "onnx")
    assert served.requests == []


@pytest.mark.slow
def test_a_space_is_written_and_sent(exported, served, monkeypatch, capsys):
    """To a Space of its own; rows of the data are in it only if somebody asks for them."""
    monkeypatch.setenv("HF_TOKEN", hub.TOKEN)
    push.push("me/demo", exported, space=True)
    said = capsys.readouterr().out
    assert "data/space: no row of the data in examples.json, --examples 8 adds the hardest" in said
    sent = served.repos["spaces/me/demo"]
    assert {"app.py", "Dockerfile", "model/onnx/model.onnx", "temper/demo/page.html"} <= set(sent)
    assert sent == {
        path.relative_to("data/space").as_posix(): path.read_bytes()
        for path in Path("data/space").rglob("*")
        if path.is_file()
    }
    (created,) = served.created
    assert (created["type"], created["sdk"]) == ("space", "docker")
    push.push("me/demo", exported, space=True, examples=2, dry_run=True)
    assert "data/space: 2 rows of the data in examples.json; to try it:" in capsys.readouterr().out
