"""An exported model → a folder with a Dockerfile that serves it without torch and transformers.

`temper serve --docker`
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement

from temper.core import artifacts
from temper.core.errors import InputError
from temper.export import mlflow_model
from temper.prediction import packed, profile
from temper.prediction.engines import onnx_file
from temper.serving import service

APP = Path(__file__).with_name("app.py")
LIBRARIES = ("numpy", "onnxruntime", "pydantic", "pyyaml", "tokenizers")
PLATFORM = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
INSTEAD = "use mlflow models serve"
DOCKERFILE = """\
FROM python:{python}-slim
RUN useradd --system --uid 1000 server
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
USER server
ENV HOST=0.0.0.0 PORT={port} PYTHONUNBUFFERED=1
EXPOSE {port}
HEALTHCHECK CMD ["python", "-c", "import os, urllib.request as u; \
u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=5)"]
CMD ["python", "app.py"]
"""
README = """\
# {name}

```
docker build -t {name} .
docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:{port}:{port} {name}
curl http://127.0.0.1:{port}/invocations -H 'Content-Type: application/json' -d {request}
```

The server has no passwords and no TLS: what lets others in belongs in front of it.
"""


def write(
    target: Path, name: str, folder: Path, inputs: Mapping[str, str], engine: str, port: int
) -> None:
    """Write the folder: Dockerfile, pinned requirements, the model, the code that serves it.

    Args:
        target: an empty folder.
        name: of the image.
        folder: what the export stage wrote.
        inputs: its columns and their types.
        engine: onnx or int8; the other graph is left out.
        port: of the server in the container.

    Raises:
        InputError: the model needs transformers or Python code to be asked.
    """
    pack(target / "model", folder, engine)
    mlflow_model.copy_code(target / "temper", (*mlflow_model.PACKED, "serving"))
    shutil.copyfile(APP, target / APP.name)
    (target / "requirements.txt").write_text("".join(f"{pin}\n" for pin in pins(LIBRARIES)))
    python = ".".join(map(str, sys.version_info[:2]))
    (target / "Dockerfile").write_text(DOCKERFILE.format(python=python, port=port))
    row = {n: mlflow_model.EXAMPLES[kind] for n, kind in inputs.items()}
    request = shlex.quote(json.dumps({service.RECORDS: [row]}))
    readme = README.format(name=name, port=port, request=request)
    (target / "README.md").write_text(readme, encoding="utf-8")
    for path in target.rglob("*"):  # COPY keeps modes, and the server is another user than yours
        path.chmod(0o755 if path.is_dir() else 0o644)


def image_name(folder: Path) -> str:
    """Return the name of a folder as Docker allows it for an image."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "model"


def pack(target: Path, folder: Path, engine: str) -> None:
    """Write what predicting with an export's graph reads of it.

    Raises:
        InputError: the export needs transformers to be asked.
    """
    graph = onnx_file(folder, engine)
    verified = artifacts.read_optional_json(folder / "parity.json") or {}
    if not (graph.parent / packed.FACTS).exists():
        earlier = "an earlier version exported it (run dvc repro); to serve it as it is"
        reason = verified.get("needs_transformers", earlier)
        raise InputError(f"--docker: {folder}: {reason}, {INSTEAD}")
    if packed.read(folder) is None:
        edited = "its files were edited since it was exported (run dvc repro)"
        raise InputError(f"--docker: {folder}: {edited}; to serve it as it is, {INSTEAD}")
    (target / graph.parent.name).mkdir(parents=True)
    kept = [*graph.parent.glob(f"{graph.name}*"), *graph.parent.glob("*.json")]  # weights in files
    kept += [folder / name for name in ("config.json", profile.FILE) if (folder / name).exists()]
    for file in kept:
        shutil.copyfile(file, target / file.relative_to(folder))


def pins(libraries: Iterable[str]) -> list[str]:
    """Return libraries and all that they require on Linux, with the versions installed here."""
    waiting, found = [*libraries], {}
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = mlflow_model.public_version(name)
        except PackageNotFoundError:  # another system's: pip chooses a version there
            continue
        for text in requires(name) or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if marker is None or marker.evaluate({**PLATFORM, "extra": ""}):
                waiting.append(requirement.name)
    return [f"{name}=={version}" for name, version in sorted(found.items())]
