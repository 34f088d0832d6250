"""Upload data/export, or a Space with a page for it, to the Hugging Face Hub; not a stage.

`temper push --repo-id user/name`, `temper push --repo-id user/name --space`
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temper.cli import lock_note
from temper.core import artifacts
from temper.core.errors import InputError
from temper.ingest import hub_client

if TYPE_CHECKING:
    from huggingface_hub import CommitInfo

SPACE = Path("data/space")


def push(
    repo_id: Annotated[str, typer.Option(help="user/name or organisation/name on the Hub.")],
    folder: Annotated[Path, typer.Option(help="The exported model.")] = Path("data/export"),
    space: Annotated[
        bool, typer.Option("--space", help=f"Upload the page of temper demo, from {SPACE}.")
    ] = False,
    examples: Annotated[
        int, typer.Option(min=0, help="Rows of data/raw in the Space, the hardest ones.")
    ] = 0,
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option(help="List the files without uploading.")] = False,
) -> None:
    """Upload an exported model with its card to the Hugging Face Hub (HF_TOKEN)."""
    if not (folder / "README.md").is_file():
        raise InputError(f"--folder {folder}: no exported model; run dvc repro")
    if repo_id.count("/") != 1:
        raise InputError(f"--repo-id {repo_id!r}: expected user/name")
    if examples and not space:
        raise InputError("--examples: they are shown by a Space; add --space")
    lock_note.print_if_other(folder)
    if space:
        num_examples = write_space(folder, examples)
        rows = f"{num_examples} rows of the data" if num_examples else "no row of the data"
        hint = "" if examples else ", --examples 8 adds the hardest"
        print(f"{SPACE}: {rows} in examples.json{hint}; to try it: python {SPACE}/app.py")
        folder = SPACE
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        print(f"{path.stat().st_size / 2**20:9.2f} MiB  {path.relative_to(folder).as_posix()}")
    if dry_run:
        print(f"dry run: {len(files)} files would go to {repo_id}")
        return
    print(f"uploaded: {upload(repo_id, folder, is_space=space, private=private)}")


def write_space(model: Path, count: int) -> int:
    """Write `SPACE`, which is replaced; return the number of examples in it.

    Raises:
        InputError: the model cannot be read, or the disk is full.
    """
    from temper.demo import examples
    from temper.demo import space as demo_space
    from temper.prediction import stored

    _, settings = stored.read(model)
    rows = examples.load(model, Path("data/evaluation"), settings.task, count)
    with artifacts.atomic_dir(SPACE) as target:
        demo_space.write(target, model, rows)
    return len(rows)


def upload(repo_id: str, folder: Path, *, is_space: bool, private: bool) -> "CommitInfo":
    """Upload a folder to a repository, which is created if it does not exist.

    Raises:
        InputError: there is no token, or the Hub cannot be reached or refuses.
    """
    import httpx2
    from huggingface_hub import HfApi, constants, get_token
    from huggingface_hub.errors import HfHubHTTPError

    if get_token() is None:
        raise InputError("no token: set HF_TOKEN to one with write access to the repository")
    hub_client.limit_waits()
    kind, sdk = ("space", "docker") if is_space else ("model", None)
    try:
        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True, repo_type=kind, space_sdk=sdk)
        return api.upload_folder(repo_id=repo_id, folder_path=str(folder), repo_type=kind)
    except HfHubHTTPError as error:
        raise InputError(f"{repo_id}: refused by the Hub: {error!s:.300}") from None
    except (httpx2.HTTPError, OSError) as error:
        raise InputError(
            f"{repo_id}: {constants.ENDPOINT} cannot be reached ({error!s:.200}); rerun the command"
        ) from None
