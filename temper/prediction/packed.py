"""An export's config and tokenizer as plain JSON, which are read without transformers.

transformers decides how a tokenizer splits texts. What it decided is written here, so that the
library `tokenizers` alone gives the same ids.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from temper.core import artifacts
from temper.prediction.engines import GRAPHS_FOLDER

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FACTS, TOKENIZER = "packed.json", "tokenizer.json"
MADE_OF = (".json", ".model", ".txt")  # suffixes of the export's files that transformers reads
OF_CONFIG = ("id2label", "num_labels", "sentence_pooling", "transitions")
OF_TOKENIZER = (
    "model_input_names",
    "model_max_length",
    "pad_token_id",
    "padding_side",
    "truncation_side",
)
UNLIMITED = 2**31  # tokens; transformers has 10^30 where a tokenizer has no maximum


class PackedTokenizer:
    """What tasks call of transformers' fast tokenizers, with the same ids, offsets and words.

    Args:
        backend: as transformers had set it up.
        facts: `OF_TOKENIZER`.
    """

    is_fast = True

    def __init__(self, backend: "Tokenizer", facts: dict[str, Any]):
        self.backend_tokenizer = backend
        self.model_input_names: list[str] = facts["model_input_names"]
        self.model_max_length: int = facts["model_max_length"]
        self.pad_token_id: int = facts["pad_token_id"]
        self.padding_side: str = facts["padding_side"]
        self.truncation_side: str = facts["truncation_side"]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        return self.backend_tokenizer.num_special_tokens_to_add(pair)

    def __call__(
        self,
        *texts: Sequence[Any],
        truncation: bool | str = False,
        max_length: int | None = None,
        stride: int = 0,
        add_special_tokens: bool = True,
        is_split_into_words: bool = False,
        return_overflowing_tokens: bool = False,
        return_offsets_mapping: bool = False,
        padding: bool = False,
        verbose: bool = False,
    ) -> "PackedEncoding":
        assert not padding, "batches are padded by collators"
        limit = max_length or self.model_max_length
        if truncation and limit < UNLIMITED:
            strategy = "longest_first" if truncation is True else truncation
            self.backend_tokenizer.enable_truncation(
                limit, stride=stride, strategy=strategy, direction=self.truncation_side
            )
        else:
            self.backend_tokenizer.no_truncation()
        rows = list(zip(*texts, strict=True)) if len(texts) == 2 else list(texts[0])
        encoded = self.backend_tokenizer.encode_batch(
            rows, is_pretokenized=is_split_into_words, add_special_tokens=add_special_tokens
        )
        windows = [
            [row, *(row.overflowing if return_overflowing_tokens else ())] for row in encoded
        ]
        names = {"input_ids": "ids"}
        if "token_type_ids" in self.model_input_names:
            names["token_type_ids"] = "type_ids"
        if return_offsets_mapping:
            names["offset_mapping"] = "offsets"
        return PackedEncoding(windows, names)


class PackedEncoding(dict):
    """Columns by name, a row per window; and what each of a window's tokens belongs to."""

    def __init__(self, windows: Sequence[Sequence["Encoding"]], names: dict[str, str]):
        self.rows = list(itertools.chain(*windows))
        super().__init__({k: [getattr(row, v) for row in self.rows] for k, v in names.items()})
        self["overflow_to_sample_mapping"] = [i for i, row in enumerate(windows) for _ in row]

    def word_ids(self, row: int) -> list[int | None]:
        return self.rows[row].word_ids

    def sequence_ids(self, row: int) -> list[int | None]:
        return self.rows[row].sequence_ids


def write(target: Path, config: Any, tokenizer: Any) -> None:
    """Write the two files beside the ONNX graphs.

    Args:
        target: the folder of the graphs.
        config: transformers' config of the export.
        tokenizer: transformers' fast tokenizer of the export.

    Raises:
        Exception: of tokenizers, where a part of the tokenizer is Python code.
    """
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(target / TOKENIZER), pretty=False)
    files = [file for file in sorted(target.parent.iterdir()) if file.suffix in MADE_OF]
    facts = {
        "config": {name: getattr(config, name, None) for name in OF_CONFIG},
        "tokenizer": {name: getattr(tokenizer, name) for name in OF_TOKENIZER},
        "made_of": {file.name: artifacts.sha256_file(file) for file in files},
    }
    artifacts.write_json(target / FACTS, facts)


def read(folder: Path) -> tuple[Any, Any] | None:
    """Return the config and the tokenizer of an export.

    Returns: None where they are not beside its graphs, or it was edited since they were written.
    """
    graphs = folder / GRAPHS_FOLDER
    if not ((graphs / FACTS).exists() and (graphs / TOKENIZER).exists()):
        return None
    facts = artifacts.read_json(graphs / FACTS)
    kept = {name: sha for name, sha in facts["made_of"].items() if (folder / name).exists()}
    if any(artifacts.sha256_file(folder / name) != sha for name, sha in kept.items()):
        return None
    from tokenizers import Tokenizer

    names = facts["config"]["id2label"] or {}
    facts["config"]["id2label"] = {int(number): name for number, name in names.items()}
    backend = Tokenizer.from_file(str(graphs / TOKENIZER))
    return SimpleNamespace(**facts["config"]), PackedTokenizer(backend, facts["tokenizer"])
