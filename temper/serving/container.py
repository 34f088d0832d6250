"""An exported model → a folder with a Dockerfile that serves it without torch and transformers.

`temper serve --docker`
"""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from temper.core.errors import InputError
from temper.export import mlflow_model
from temper.params.schema import Settings
from temper.prediction import packed
from temper.prediction.predictor import Predictor, onnx_file, open_export
from temper.serving import service
from temper.tasks.base import Task
from temper.tasks.base.texts import has_own_call

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
ODD = ("A text.", "", "naïve café 😀 end", "e\u0301 你好 世界", "tab\there", "word " * 700)


def write(
    target: Path, name: str, folder: Path, predictor: Predictor, engine: str, port: int
) -> None:
    """Write the folder: Dockerfile, pinned requirements, the model, the code that serves it.

    Args:
        target: an empty folder.
        name: of the image.
        folder: what the export stage wrote.
        predictor: of that folder and the engine.
        engine: onnx or int8; the other graph is left out.
        port: of the server in the container.

    Raises:
        InputError: the model needs transformers or Python code to be asked, or answers differ.
    """
    model = target / "model"
    check_packable(folder, predictor.settings, predictor.task, predictor.processor)
    graph = onnx_file(folder, engine)
    packed.write(model, folder, graph, predictor.config, predictor.processor)
    check_alike(folder, predictor, model, engine)
    mlflow_model.copy_code(target / "temper", (*mlflow_model.PACKED, "serving"))
    shutil.copyfile(APP, target / APP.name)
    (target / "requirements.txt").write_text("".join(f"{pin}\n" for pin in pins(LIBRARIES)))
    python = ".".join(map(str, sys.version_info[:2]))
    (target / "Dockerfile").write_text(DOCKERFILE.format(python=python, port=port))
    row = {n: mlflow_model.EXAMPLES[kind] for n, kind in predictor.settings.task.inputs.items()}
    request = shlex.quote(json.dumps({service.RECORDS: [row]}))
    readme = README.format(name=name, port=port, request=request)
    (target / "README.md").write_text(readme, encoding="utf-8")
    for path in target.rglob("*"):  # COPY keeps modes, and the server is another user than yours
        path.chmod(0o755 if path.is_dir() else 0o644)


def image_name(folder: Path) -> str:
    """Return the name of a folder as Docker allows it for an image."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "model"


def check_packable(folder: Path, settings: Settings, task: Task, tokenizer: Any) -> None:
    """Refuse a model that cannot be asked by ONNX Runtime and tokenizers alone.

    Raises:
        InputError: says what else it needs.
    """
    needed = None
    if task.auto_processor != "AutoTokenizer":
        needed = f"{settings.task.name} needs transformers to prepare its inputs"
    elif task.is_language_model:
        needed = f"{settings.task.name} needs transformers to write texts"
    elif settings.tokenize.encode is not None:
        needed = "tokenize.encode is Python code of yours, whose libraries are not known"
    elif not tokenizer.is_fast or has_own_call(tokenizer):
        needed = f"{type(tokenizer).__name__} is Python code of transformers"
    if needed is not None:
        raise InputError(f"--docker: {folder}: {needed}; {INSTEAD}")


def check_alike(folder: Path, predictor: Predictor, model: Path, engine: str) -> None:
    """Compare what the packed model answers with the exported one, on texts of many kinds.

    Raises:
        InputError: an answer differs.
    """
    options = {"batch_tokens": predictor.batch_tokens, "num_threads": 1, "trust_code": False}
    alike = [open_export(where, engine, **options) for where in (folder, model)]
    kinds = {"text": list(ODD), "texts": [[text or "a", *text.split()] for text in ODD]}
    columns = {name: kinds[kind] for name, kind in predictor.settings.task.inputs.items()}
    exported, packed_alone = (opened.predict(columns) for opened in alike)
    if exported != packed_alone:
        raise InputError(
            f"--docker: {folder}: without transformers its tokenizer gives other predictions; "
            f"{INSTEAD}"
        )


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
