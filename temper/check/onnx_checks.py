"""The ONNX graph of the untrained network, where an export without one would fail after training.

`export.onnx` is no parameter of train, whose outputs do not depend on it: see docs/adr/0027.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper import params
from temper.check import custom_code_checks
from temper.check.findings import Findings
from temper.core.errors import InputError, summary
from temper.core.scratch import scratch_folder

if TYPE_CHECKING:
    from datasets import Dataset

NUM_ROWS = 8


def check(parameters: params.Params, processor: Any, findings: Findings) -> None:
    """Report a network whose ONNX graph cannot be made or disagrees, if `export.onnx: required`."""
    p = parameters
    if p.export.onnx != "required" or p.data.source != "files" or findings.mistakes:
        return
    called = partial(custom_code_checks.record, parameters=p, findings=findings)
    with scratch_folder() as folder, findings.at("export.onnx"):
        rows = custom_code_checks.encode_rows(p, processor, folder, called)
        if rows is not None:
            try:
                compare(p, rows[1], folder)
            except (InputError, OSError, MemoryError):
                raise
            except Exception as error:  # exporters and ONNX Runtime raise anything
                message = f"required, and the untrained network has no ONNX: {summary(error)}"
                raise InputError(f"export.onnx: {message}") from error
            findings.facts["onnx"] = f"the untrained network's graph agrees on {NUM_ROWS} rows"


def compare(p: params.Params, encoded: "Dataset", folder: Path) -> None:
    """Build the untrained network with its weights, trace it, and compare the graph on rows.

    Raises:
        InputError: they disagree.
    """
    from temper import inference
    from temper.export import graphs, onnx, parity
    from temper.ingest import base_model
    from temper.tasks.base import registry
    from temper.training import networks

    task = registry.load(p, encoded.features)
    base, model, file = folder / "base", folder / "model", folder / "model.onnx"
    base_model.write(Path(p.model.files[p.model.name]), p.model, task, base)
    networks.save(networks.build(base, task, encoded.features, p), model)
    shutil.copytree(base / "processor", model, dirs_exist_ok=True)
    predictor = graphs.load_predictor(model, p, "torch")
    rows = encoded.select(range(min(NUM_ROWS, len(encoded))))
    batch = predictor.collate([rows[i] | {"draw": (0, i)} for i in range(min(2, len(rows)))])
    onnx.write(predictor.model, predictor.task, batch, file)
    session = inference.onnx_session(str(file), p.determinism.num_threads)
    trained = inference.torch_forward(predictor.model, predictor.task, reduce=False)
    exported = inference.onnx_forward(session, predictor.task, reduce=False)
    try:
        parity.check_onnx(trained, exported, rows, predictor.collate, predictor.task)
    except parity.DisagreementError as error:
        raise InputError(f"export.onnx: required, but untrained, {error}") from error
