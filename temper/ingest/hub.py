"""The Hub → a dataset or model at a fixed commit; errors say what to do.

`HF_TOKEN` and `HF_ENDPOINT` are read by huggingface_hub itself and never written to disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temper.core import arrow, causes
from temper.core.errors import InputError, alternatives, explain_full_disk, summary
from temper.ingest import hub_client, hub_files
from temper.ingest.columns import ColumnBatch
from temper.ingest.dataset import SourceSplits
from temper.params.data import HubDataset

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset
    from huggingface_hub import DatasetInfo, ModelInfo

MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja", "*.py")


@contextmanager
def explain_hub_errors(what: str, revision: str | None) -> Iterator[None]:
    """Turn the errors of huggingface_hub and datasets into an `InputError`."""
    import httpx2
    from datasets.data_files import EmptyDatasetError
    from datasets.exceptions import DatasetNotFoundError, DatasetsError, FileNotFoundDatasetsError
    from huggingface_hub import constants, errors

    hub_client.limit_waits()
    where = f"{what} at {revision or 'its main branch'}"
    try:
        with explain_full_disk(Path(constants.HF_HOME)), _network_errors():  # of its cache
            yield
    except errors.RevisionNotFoundError:
        raise InputError(f"{where}: no such commit, branch or tag") from None
    except (DatasetNotFoundError, EmptyDatasetError, FileNotFoundDatasetsError) as error:
        raise InputError(f"{where}: {error}") from None
    except DatasetsError as error:
        reason = summary(error.__cause__ or error)
        raise InputError(f"{where}: its files cannot be read as rows: {reason:.300}") from None
    except errors.HfHubHTTPError as error:
        is_unknown = isinstance(error, errors.RepositoryNotFoundError)  # or gated
        status = error.response.status_code if error.response is not None else "no status"
        hint = "check the name; a private repository needs HF_TOKEN" if is_unknown else "try again"
        if status in (401, 403):
            hint = "set HF_TOKEN to a token with access"
        raise InputError(f"{where}: the Hub returned {status}: {hint}") from None
    except errors.OfflineModeIsEnabled:
        raise InputError(
            f"{where}: HF_HUB_OFFLINE is set, and the Hub is asked; unset it"
        ) from None
    except (httpx2.HTTPError, ConnectionError, OSError, EOFError) as error:
        raise InputError(
            f"{where}: the connection failed ({type(error).__name__}: {error!s:.200}); earlier "
            "output is unchanged; run the command again"
        ) from None


def open_dataset(params: HubDataset) -> "tuple[SourceSplits, DatasetInfo]":
    """Open a dataset; return its splits, and what the Hub says of it: `sha` is the commit.

    It is downloaded; with `params.rows` its first rows are read when the splits are iterated over,
    in the order of the commit's files.

    Raises:
        InputError: the config or a split does not exist, or the Hub returned an error.
    """
    from datasets import get_dataset_config_names, load_dataset, load_dataset_builder
    from huggingface_hub import HfApi

    name = str(params.name)
    with explain_hub_errors(f"dataset {name}", params.revision):
        info = HfApi().dataset_info(name, revision=params.revision)
    with explain_hub_errors(f"dataset {name}", info.sha):
        configs = get_dataset_config_names(name, revision=info.sha)
        if params.config not in (None, *configs) or (params.config is None and len(configs) > 1):
            raise InputError(
                f"data.hub.config: dataset {name} has no config {params.config!r}"
                f"{alternatives(str(params.config), configs)}"
            )
        hub_files.take_clips_as_they_are()
        if params.rows is None:
            loaded: Any = load_dataset(name, params.config, revision=info.sha)
        else:
            loaded = _stream(load_dataset_builder(name, params.config, revision=info.sha))
    hub_splits = params.splits or {str(split): str(split) for split in loaded}
    for split, hub_split in hub_splits.items():
        if hub_split not in loaded:
            known = alternatives(hub_split, map(str, loaded))
            raise InputError(f"data.hub.splits.{split}: no split {hub_split!r}{known}")
    batches = {s: _batches(loaded[n], params.rows, name) for s, n in hub_splits.items()}
    where = f"dataset {name}", info.sha
    return {split: _explained(rows, *where) for split, rows in batches.items()}, info


def _stream(builder: Any) -> Any:
    """Return the splits as streams, of images and clips too as they are."""
    if hasattr(builder.config, "decode_num_threads"):  # of folders, which are else decoded
        builder.config.decode_num_threads = 0
    return builder.as_streaming_dataset()


def fetch_model(name: str, revision: str | None) -> "tuple[Path, ModelInfo]":
    """Download a model's config, tokenizer and safetensors.

    Returns: the folder, and what the Hub says of the model: `sha` is the commit.
    """
    from huggingface_hub import HfApi, snapshot_download

    with explain_hub_errors(f"model {name}", revision):
        info = HfApi().model_info(name, revision=revision)
        folder = snapshot_download(name, revision=info.sha, allow_patterns=list(MODEL_FILES))
    return Path(folder), info


@contextmanager
def _network_errors() -> Iterator[None]:
    """Raise a lost connection itself in place of what `datasets` makes of it."""
    import httpx2
    from datasets.exceptions import DatasetGenerationError
    from huggingface_hub.errors import LocalEntryNotFoundError

    lost = (httpx2.HTTPError, ConnectionError, TimeoutError, LocalEntryNotFoundError)
    try:
        yield
    except DatasetGenerationError as error:
        for cause in causes.chain(error):
            if isinstance(cause, lost):
                raise cause from None
        raise


def _explained(
    batches: Iterator[ColumnBatch], what: str, revision: str | None
) -> Iterator[ColumnBatch]:
    """Yield batches that may come over the network."""
    with explain_hub_errors(what, revision):
        yield from batches


def _batches(
    dataset: "Dataset | IterableDataset", rows: int | None, name: str
) -> Iterator[ColumnBatch]:
    """Yield a split's (first) rows, with images and audio as bytes and labels as names."""
    from datasets import Audio, Image, IterableDataset

    features = dataset.features or {}  # a stream of CSV has none before it is read
    files = [column for column, kind in features.items() if isinstance(kind, Image | Audio)]
    for column in files:
        dataset = dataset.cast_column(column, type(features[column])(decode=False))
    label_names = {
        column: list(getattr(getattr(f, "feature", f), "names", None) or [])
        for column, f in features.items()
    }
    if isinstance(dataset, IterableDataset):
        size = 1 if files else arrow.ROWS_PER_BATCH
        batches: Iterator[Any] = dataset.take(rows or 0).iter(size)
    else:
        batches = arrow.column_batches(dataset)
    if files:
        batches = hub_files.with_files(batches, files, name)
    for batch in batches:
        yield {
            n: [_to_names(v, label_names.get(n, [])) for v in values] for n, values in batch.items()
        }


def _to_names(value: Any, names: list[str]) -> Any:
    """Replace a ClassLabel's ids by names; -1, which stands for no label there, by null."""
    if not names or value is None:
        return value
    if isinstance(value, list):
        return [_to_names(item, names) for item in value]
    return names[value] if value >= 0 else None
