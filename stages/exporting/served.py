"""The code inside the MLflow model: raw text → label and probabilities, without the repository.

MLflow runs this file by itself from the model's folder, so it imports nothing of temper, and the
last line registers the model (MLflow's models-from-code).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

BATCH = 32


class Served(PythonModel):
    """onnxruntime and tokenizers over the exported folder."""

    def load_context(self, context: Any) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(context.artifacts["export"])
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.task, limit = self.config["temper"]["task"], self.config["temper"]["max_length"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(limit)
        self.tokenizer.enable_padding(pad_id=self.config.get("pad_token_id") or 0)
        self.session = onnxruntime.InferenceSession(
            str(folder / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        self.inputs = {tensor.name for tensor in self.session.get_inputs()}

    def predict(self, context, model_input, params=None):  # MLflow reads type hints as a schema
        """Return `prediction`, and for labels `score` and one `score_<label>` each."""
        columns = [model_input[name].astype(str).tolist() for name in self.task["text"]]
        rows = list(zip(*columns, strict=True))
        logits = [self._logits(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH)]
        return self._answer(np.concatenate(logits).astype(np.float64))

    def _logits(self, rows: list[tuple[str, ...]]) -> np.ndarray:
        texts = [row if len(row) == 2 else row[0] for row in rows]
        encoded = self.tokenizer.encode_batch(texts)
        found = {
            "input_ids": np.array([row.ids for row in encoded], dtype=np.int64),
            "attention_mask": np.array([row.attention_mask for row in encoded], dtype=np.int64),
            "token_type_ids": np.array([row.type_ids for row in encoded], dtype=np.int64),
        }
        wanted = {name: values for name, values in found.items() if name in self.inputs}
        return np.asarray(self.session.run(["logits"], wanted)[0])

    def _answer(self, logits: np.ndarray) -> pd.DataFrame:
        if self.task["problem_type"] == "regression":
            return pd.DataFrame({"prediction": logits[:, 0]})
        names = [self.config["id2label"][str(i)] for i in range(logits.shape[1])]
        if self.task["problem_type"] == "multi_label_classification":
            chances = 1 / (1 + np.exp(-logits))
            said = [
                "|".join(n for n, p in zip(names, row, strict=True) if p >= 0.5) for row in chances
            ]
        else:
            shifted = np.exp(logits - logits.max(-1, keepdims=True))
            chances = shifted / shifted.sum(-1, keepdims=True)
            said = [names[i] for i in chances.argmax(-1)]
        scores = {f"score_{name}": chances[:, i] for i, name in enumerate(names)}
        return pd.DataFrame({"prediction": said, "score": chances.max(-1), **scores})


set_model(Served())
