"""An exported folder → one that `SentenceTransformer` loads too, with the same vectors.

The files are those that sentence-transformers writes: its modules, and the config of each.
"""

from pathlib import Path

from temper.core import artifacts
from temper.params.task import Prompts

MODULES = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))


def write(folder: Path, max_length: int | None, size: int, prompts: Prompts | None) -> None:
    """Write the modules beside an exported embeddings model.

    Args:
        folder: has the model's config.json, with `sentence_pooling`.
        max_length: of a text, in tokens.
        size: of a text's vector; configs name it differently, or not at all.
        prompts: what `encode_query` and `encode_document` prepend.
    """
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(MODULES)
    ]
    mode = artifacts.read_json(folder / "config.json")["sentence_pooling"]
    pooling = {
        "word_embedding_dimension": size,
        "pooling_mode_cls_token": mode == "cls",
        "pooling_mode_mean_tokens": mode == "mean",
        "pooling_mode_max_tokens": mode == "max",
    }
    (folder / "1_Pooling").mkdir()  # a normalisation has no files, and DVC keeps no empty folder
    artifacts.write_json(folder / "modules.json", modules)
    artifacts.write_json(folder / "1_Pooling" / "config.json", pooling)
    length = {"max_seq_length": max_length, "do_lower_case": False}
    artifacts.write_json(folder / "sentence_bert_config.json", length)
    named = {} if prompts is None else {"prompts": prompts.model_dump()}
    artifacts.write_json(
        folder / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"} | named
    )
