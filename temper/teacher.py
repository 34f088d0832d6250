"""Raw training rows and a teacher → the teacher's logits of each row, for distillation.

The rows are encoded with the teacher's own processor, so its vocabulary may be another one.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from temper import inference
from temper.core.errors import InputError, summary
from temper.inference import RowList
from temper.ingest import teachers
from temper.models import loading
from temper.params import user_code
from temper.params.schema import Params
from temper.tasks.base import registry
from temper.tasks.base.arrays import Columns

BATCH_SIZE = 32


class Teacher:
    """A trained model that scores raw rows.

    Args:
        folder: its config, weights and processor.
        order: the position of each label among its outputs.

    Raises:
        InputError: the model cannot be loaded, or its processor does not fit.
    """

    def __init__(self, folder: Path, name: str, parameters: Params, order: Sequence[int]):
        self.name, self.order, self.task = name, list(order), registry.load(parameters)
        self.is_checked = False  # whether padding changes logits
        self.encode = user_code.encoder(self.task, parameters)
        self.processor = teachers.open_processor(folder, name, self.task)
        try:
            model = loading.load(folder, self.task.auto_model)
        except Exception as error:  # transformers and safetensors raise anything
            raise InputError(f"{name} cannot be loaded: {summary(error):.300}") from error
        if self.task.auto_processor == "AutoTokenizer":
            own_config: Any = model.config
            own_config.pad_token_id = self.processor.pad_token_id  # GPT-2 reads the token before
        model.to(inference.fastest_device())
        collate = self.task.collator(self.processor, loading.open_config(folder))
        forward = inference.torch_forward(model, self.task)
        self.run_batch = inference.logits_runner(forward, collate, self.task)

    def logits(self, batches: Iterable[Columns]) -> Iterator[list[np.ndarray]]:
        """Yield the logits of each batch's rows, with the labels in the data's order.

        Returns:
            An array per row: (labels,), or (words, labels) with NaN where a word has no token.
        """
        for examples in batches:
            columns = self.encode(examples, self.processor, mode="train")
            for unread in ("full_length", "labels"):
                columns.pop(unread, None)
            features, rows = RowList.of_columns(columns), RowList.of_columns(examples)
            self._check_padding(features)
            outputs = list(inference.row_outputs(self.run_batch, features, BATCH_SIZE))
            if "word_ids" in columns:
                of_rows = self._logits_of_words(outputs, features, rows)
            else:
                of_rows = self.task.decode({"logits": outputs}, features, rows, self.processor)
            if len(of_rows) != len(rows):
                raise InputError(
                    f"tokenize.encode returned {len(of_rows)} rows for {len(rows)}, without the "
                    "column example_id: a teacher's logits would be another row's"
                )
            yield [np.asarray(values, np.float32)[..., self.order] for values in of_rows]

    def _check_padding(self, features: RowList) -> None:
        """Refuse a teacher whose logits of a text depend on the rows beside it."""
        is_known, self.is_checked = self.is_checked, True
        if is_known or self.task.padded_length is None or self.task.params.medium is not None:
            return
        row, longer = (pick(features, key=lambda row: row["length"]) for pick in (min, max))
        if change := inference.change_by_padding(self.run_batch, row, longer, self.task):
            raise InputError(
                f"{self.name} reads padding as it reads text: its logits of a row would depend on "
                f"the batch (by {change:.2g}); set tokenize.padding to max_length"
            )

    def _logits_of_words(
        self, outputs: Sequence[np.ndarray], features: RowList, rows: RowList
    ) -> list[np.ndarray]:
        """Return the logits of each row's words, (words, labels): those of their first tokens."""
        num_outputs = outputs[0].shape[-1]
        words = [np.full((len(w), num_outputs), np.nan, np.float32) for w in rows[self._words]]
        for logits, word_ids, row in zip(
            outputs, features["word_ids"], features["example_id"], strict=True
        ):
            ids = np.asarray(word_ids)
            words[row][ids[ids >= 0]] = logits[ids >= 0]
        return words

    @property
    def _words(self) -> Any:
        return self.task.params.words
