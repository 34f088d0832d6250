"""`temper recipe` replaces params.yaml, and asks first where edits would be lost."""

import shutil
from pathlib import Path

import pytest
import typer

from temper import params
from temper.cli import recipe
from temper.core.errors import InputError
from tests.helpers.workspace import ROOT


def test_recipe_replaces_params_yaml_and_asks_about_edits(tmp_path, monkeypatch, capsys):
    """An unchanged recipe or committed file is replaced; for an edited one it asks."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    recipe.recipe("mrpc")
    assert params.load().data.hub.config == "mrpc"
    recipe.recipe("rte")
    assert params.load().data.hub.config == "rte"
    edited = Path("params.yaml").read_text().replace("seed: 42", "seed: 43")
    Path("params.yaml").write_text(edited)
    monkeypatch.setattr("typer.confirm", refuse)
    with pytest.raises(typer.Abort):
        recipe.recipe("mrpc")
    assert Path("params.yaml").read_text() == edited
    recipe.recipe("mrpc", yes=True)
    assert params.load().data.hub.config == "mrpc"
    with pytest.raises(InputError, match="did you mean 'mrpc'"):
        recipe.recipe("mprc")
    capsys.readouterr()
    recipe.recipe()
    assert "0.8885" in capsys.readouterr().out


def test_every_name_is_in_one_piece_on_a_terminal_of_80_columns(monkeypatch, capsys):
    """A name is there to be typed after `temper recipe`."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    recipe.recipe()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    first = [line[1:].split("│")[0].strip() for line in lines]
    assert {path.stem for path in recipe.RECIPES.glob("*.yaml")} <= set(first)


def refuse(text: str, abort: bool) -> None:
    assert "uncommitted" in text
    raise typer.Abort
