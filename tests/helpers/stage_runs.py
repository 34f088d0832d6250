"""Run train, evaluate and export on the folders that dvc.yaml gives them."""

from pathlib import Path

from stages import evaluate as evaluate_stage
from stages import export as export_stage
from stages import train as train_stage

DATA = Path("data")


def in_data(*names: str) -> list[Path]:
    return [DATA / name for name in names]


def train() -> None:
    train_stage.main(*in_data("tokenized", "base", "model", "checkpoints", "history"))


def evaluate(target: Path = DATA / "evaluation", *more: Path) -> None:
    inputs = in_data("model", "history", "tokenized", "raw", "zero_shot")
    evaluate_stage.main(*inputs, target, *more)


def export(target: Path = DATA / "export") -> None:
    export_stage.main(*in_data("model", "evaluation", "tokenized", "raw/summary.json"), target)
