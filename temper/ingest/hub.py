"""The Hub → a dataset or model at one commit, its errors in words a person can act on.

`HF_TOKEN` and `HF_ENDPOINT` are read by huggingface_hub itself and written nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from temper.core.errors import InputError, nearest
from temper.ingest.dataset import SourceSplits
from temper.ingest.readers import ROWS, ColumnBatch
from temper.params.data import HubDataset

MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja", "*.py")


@contextmanager
def explained(what: str, revision: str | None) -> Iterator[None]:
    """Turn what huggingface_hub and datasets raise into one `InputError`."""
    import httpx2
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import errors

    where = f"{what} at {revision or 'its main branch'}"
    try:
        yield
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as error:
        status = error.response.status_code if error.response is not None else 404
        hint = (
            "set HF_TOKEN to a token that may read it"
            if status in (401, 403)
            else ("check the name; a private one needs HF_TOKEN")
        )
        raise InputError(f"{where}: the Hub answers {status}: {hint}") from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{where}: no such commit, branch or tag") from None
    except DatasetNotFoundError as error:
        raise InputError(f"{where}: {error}") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no status"
        hint = "set HF_TOKEN to a token that may read it" if status in (401, 403) else "try again"
        raise InputError(f"{where}: the Hub answers {status}: {hint}") from None
    except (httpx2.HTTPError, ConnectionError, OSError, EOFError) as error:
        raise InputError(
            f"{where}: the connection broke ({type(error).__name__}: {error!s:.200}); nothing was "
            "written over, run it again"
        ) from None


def resolve_dataset(params: HubDataset) -> Any:
    """Return the Hub's description of the dataset; its `sha` is the commit."""
    from huggingface_hub import HfApi

    with explained(f"dataset {params.name}", params.revision):
        return HfApi().dataset_info(str(params.name), revision=params.revision)


def resolve_model(name: str, revision: str | None) -> Any:
    """Return the Hub's description of the model; its `sha` is the commit."""
    from huggingface_hub import HfApi

    with explained(f"model {name}", revision):
        return HfApi().model_info(name, revision=revision)


def open_dataset(params: HubDataset, commit: str) -> SourceSplits:
    """Fetch a dataset at a commit; return its splits as batches.

    Raises:
        InputError: no such config or split, or what the Hub refuses.
    """
    from datasets import get_dataset_config_names, load_dataset

    name = str(params.name)
    with explained(f"dataset {name}", commit):
        configs = get_dataset_config_names(name, revision=commit)
        if params.config not in (None, *configs) or (params.config is None and len(configs) > 1):
            raise InputError(
                f"data.hub.config: dataset {name} has no config {params.config!r}"
                f"{nearest(str(params.config), configs)}; it has {', '.join(configs)}"
            )
        loaded: dict[str, Any] = load_dataset(name, params.config, revision=commit)  # type: ignore
    wanted = params.splits or {split: split for split in loaded}
    for split, there in wanted.items():
        if there not in loaded:
            raise InputError(
                f"data.hub.splits.{split}: no split {there!r}{nearest(there, list(loaded))}; "
                f"the dataset has {', '.join(loaded)}"
            )
    return {split: _batches(loaded[there]) for split, there in wanted.items()}


def fetch_model(name: str, commit: str) -> Path:
    """Fetch a model's config, tokenizer and safetensors at a commit; return the folder."""
    from huggingface_hub import snapshot_download

    with explained(f"model {name}", commit):
        folder = snapshot_download(name, revision=commit, allow_patterns=list(MODEL_FILES))
    return Path(folder)


def _batches(dataset: Any) -> Any:
    from datasets import Image

    for column, feature in dataset.features.items():
        if isinstance(feature, Image):
            dataset = dataset.cast_column(column, Image(decode=False))

    def read() -> Iterator[ColumnBatch]:
        names = {
            column: list(getattr(getattr(f, "feature", f), "names", None) or [])
            for column, f in dataset.features.items()
        }
        for start in range(0, len(dataset), ROWS):
            columns = dataset[start : start + ROWS]
            yield {c: [_named(v, names[c]) for v in values] for c, values in columns.items()}

    return read


def _named(value: Any, names: list[str]) -> Any:
    """Return a ClassLabel's name for its id; -1 and null stay as they are."""
    if not names or value is None:
        return value
    if isinstance(value, list):
        return [_named(one, names) for one in value]
    return names[value] if value >= 0 else value
