"""An exported model → the folder of a Space on the Hugging Face Hub with the page of `temper demo`.

The Space runs in a container (docs/adr/0028). `temper push --space`
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import SpaceCardData

from temper.core import artifacts
from temper.demo import server
from temper.export import mlflow_model

APP = Path(__file__).with_name("app.py")
LIBRARIES = ("huggingface_hub",)  # besides those of a served model
NOT_NEEDED = ("mlflow", "pandas")
DOCKERFILE = """\
FROM python:{python}-slim
RUN useradd --create-home --uid 1000 user
USER user
ENV PATH=/home/user/.local/bin:$PATH HOST=0.0.0.0
WORKDIR /home/user/app
COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir --user -r requirements.txt
COPY --chown=user . .
EXPOSE {port}
CMD ["python", "app.py"]
"""
CARD = """\
---
{metadata}---

# {title}

The page of `temper demo` for the model in `model/`, whose card is
[model/README.md](model/README.md). On your machine:

```
pip install -r requirements.txt
python app.py
```
"""


def write(target: Path, model: Path, examples: Sequence[dict[str, Any]]) -> None:
    """Write a Space: the page, the model, the code that runs it, and pinned requirements.

    Args:
        target: a folder that does not exist, or an empty one.
        model: what the export stage wrote.
        examples: as `examples.load` returns them; everybody who sees the Space sees them.
    """
    title = server.title(model)
    shutil.copytree(model, target / "model")
    mlflow_model.copy_code(target / "temper", (*mlflow_model.PACKED, "demo", "serving"))
    shutil.copyfile(APP, target / "app.py")
    artifacts.write_json(target / "examples.json", list(examples))
    needed = [
        n for n in mlflow_model.requirements(model, LIBRARIES) if not n.startswith(NOT_NEEDED)
    ]
    (target / "requirements.txt").write_text("\n".join(needed) + "\n")
    python = ".".join(map(str, sys.version_info[:2]))
    dockerfile = DOCKERFILE.format(python=python, port=server.PORT)
    (target / "Dockerfile").write_text(dockerfile)
    metadata = yaml.safe_dump(card_data(title, model).to_dict(), sort_keys=False)
    card = CARD.format(metadata=metadata, title=title)
    (target / "README.md").write_text(card, encoding="utf-8")


def card_data(title: str, model: Path) -> SpaceCardData:
    """Return what the Hub reads of a Space's README.md."""
    known = server.card_metadata(model)
    return SpaceCardData(
        title=title,
        sdk="docker",
        app_port=server.PORT,
        license=known.get("license"),
        tags=["temper", *filter(None, [known.get("pipeline_tag")])],
    )
