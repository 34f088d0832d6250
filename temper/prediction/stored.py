"""An export's config.json → the parameters of its task, and the Python files it may run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from temper.core.errors import InputError, summary
from temper.params.renamed import with_current_names
from temper.params.schema import Settings
from temper.params.task import Embeddings

TORCH_EXTRACTORS = ("ASTFeatureExtractor", "WhisperFeatureExtractor")  # compute with torch


def read(folder: Path) -> tuple[dict[str, Any], Settings]:
    """Return an export's config.json and the parameters stored in it.

    Raises:
        InputError: it is damaged, or another stage, program or version wrote it.
    """
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        stored = config.get("temper")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"--model {folder}: no config.json there; run dvc repro") from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"--model {folder}: {file} holds no JSON object ({summary(error):.200}); copy it again"
        ) from error
    if stored is None:
        raise InputError(f"--model {folder}: not written by the export stage; use data/export")
    try:
        return config, Settings.model_validate_json(json.dumps(with_current_names(stored)[0]))
    except (ValidationError, AttributeError, TypeError) as error:
        count = error.error_count() if isinstance(error, ValidationError) else "all"
        raise InputError(
            f"--model {folder}: exported with other parameters than this version knows "
            f"({count} differ); export it again, or use the version that wrote it"
        ) from error


def for_documents(folder: Path, settings: Settings) -> Settings:
    """Return the settings of encoding documents, in the anchor's column.

    Raises:
        InputError: they have no prompt.
    """
    task = settings.task
    if not isinstance(task, Embeddings) or task.prompts is None or task.anchor is None:
        raise InputError(
            f"--prompt document: {folder} is no embeddings model of anchors that was trained with "
            "task.prompts"
        )
    return settings.model_copy(update={"task": task.for_documents()})


def feature_extractor(folder: Path) -> str | None:
    """Return the class of an export's feature extractor; None: it reads no audio."""
    try:
        text = (folder / "preprocessor_config.json").read_text(encoding="utf-8")
        return json.loads(text).get("feature_extractor_type")
    except (OSError, ValueError, AttributeError):
        return None


def writes_texts(folder: Path) -> bool:
    """Say whether an export writes texts: torch does so many times as fast as its graph."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return config["temper"]["evaluate"]["generation"] is not None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # none, or another task
        return False


def code_files(
    folder: Path, code: Mapping[str, str], names: Sequence[str], *, trust_code: bool
) -> dict[str, str]:
    """Return the modules that `module.name`s are in, as paths of files in the export.

    Raises:
        InputError: it may not, or a file is not in the folder.
    """
    files = {}
    for module in sorted({name.rpartition(".")[0] for name in names} & set(code)):
        path = folder / code[module]
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"--model {folder}: its config.json takes code from {code[module]}, outside the "
                "folder; only files in the folder are run"
            )
        files[module] = str(path)
    if files and not trust_code:
        raise InputError(
            f"--model {folder}: predicting runs the Python code in {', '.join(files.values())}; "
            "read it, then add --trust-code"
        )
    return files
