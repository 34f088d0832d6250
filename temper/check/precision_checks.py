"""Checks of `train.precision` on this machine: what auto chooses, and what has no units here."""

from pathlib import Path

from temper.check.findings import Findings
from temper.core import artifacts
from temper.core.yaml_file import line_of
from temper.params import PARAMS_FILE
from temper.params.schema import Params
from temper.training import precision

CHOSEN = Path("data/history") / precision.CHOSEN_FILE


def check(parameters: Params, findings: Findings) -> None:
    """Report fp16 without a GPU; say what auto chooses, or that bf16 is slow here."""
    wanted = parameters.train.precision
    if wanted == "fp16":
        import torch

        if not torch.cuda.is_available():
            findings.add(precision.KEY, "fp16 needs a GPU, and there is none; use auto or fp32")
    elif wanted == "auto":
        value, reason = precision.choose(parameters)
        findings.facts["precision"] = precision.in_words(value, reason) + _before(value)
    elif (warning := precision.warning(parameters)) is not None:
        line = line_of(findings.tree, precision.KEY.split("."))
        findings.facts["warning"] = f"{PARAMS_FILE}:{line}: {warning}"


def _before(value: str) -> str:
    """Return what to do where the last training, maybe another machine's, had another precision."""
    before = artifacts.read_json(CHOSEN).get(precision.KEY) if CHOSEN.exists() else None
    if before in (None, value):
        return ""
    return f"; data/model was trained in {before}: to stay with it, write train.precision: {before}"
