"""Upload data/export to a repository on the Hugging Face Hub; not a stage of the pipeline.

`temper push --repo-id user/name`
"""

from pathlib import Path
from typing import Annotated

import typer

from temper.core.errors import InputError


def push(
    repo_id: Annotated[str, typer.Option(help="user/name or organisation/name on the Hub.")],
    folder: Annotated[Path, typer.Option(help="What to upload.")] = Path("data/export"),
    private: Annotated[bool, typer.Option(help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option(help="List the files without uploading.")] = False,
) -> None:
    """Upload an exported model with its card to the Hugging Face Hub (HF_TOKEN)."""
    if not (folder / "README.md").is_file():
        raise InputError(f"--folder {folder}: no exported model; run dvc repro")
    if repo_id.count("/") != 1:
        raise InputError(f"--repo-id {repo_id!r}: expected user/name")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        print(f"{path.stat().st_size / 2**20:9.2f} MiB  {path.relative_to(folder).as_posix()}")
    if dry_run:
        print(f"dry run: {len(files)} files would go to {repo_id}")
        return
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    if get_token() is None:
        raise InputError("no token: set HF_TOKEN to one with write access to the repository")
    try:
        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repo_id, folder_path=str(folder))
    except HfHubHTTPError as error:
        raise InputError(f"{repo_id}: refused by the Hub: {error!s:.300}") from None
    print(f"uploaded: {commit}")
