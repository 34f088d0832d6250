"""Faster starts: packages that wait for their first use, and rare garbage collection."""

import gc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

THRESHOLDS = (50_000, 20, 100)  # of allocations and collections; Python's own first is 700


def collect_rarely() -> None:
    """Look for garbage less often: imports make hundreds of thousands of objects, and all stay.

    This takes a sixth off the import of torch and transformers.
    """
    gc.set_threshold(*THRESHOLDS)


def postpone(package: str) -> None:
    """Load a package when it is first used, not when another one imports it.

    transformers imports torch wherever it is installed, which takes seconds, and a tokenizer needs
    nothing of it. Import `datasets` before transformers where both are needed: it looks for torch
    in a way that loads a package whose import is waiting.
    """
    if package not in sys.modules:
        sys.meta_path.insert(0, _Finder(package))


class _Finder(MetaPathFinder):
    """Finds one package, with a loader that waits for the first use of an attribute."""

    def __init__(self, package: str):
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self.package else None
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec
