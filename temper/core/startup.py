"""Faster starts: packages that wait for their first use, and rare garbage collection."""

import functools
import gc
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Hook = Callable[[ModuleType], object]

# allocations, collections; Python's own first is 700, and torch with transformers make a million
IMPORTING = (2_000_000, 20, 100)
WORKING = (50_000, 20, 100)


def collect_rarely() -> None:
    """Look for garbage less often: imports make hundreds of thousands of objects, and all stay.

    This takes a sixth off the import of torch and transformers.
    """
    gc.set_threshold(*WORKING)


def begin_imports() -> None:
    """Look for garbage even less often, until `end_imports`."""
    gc.set_threshold(*IMPORTING)


def end_imports() -> None:
    """Never look again at what there is now: a collection of it takes 0.3 seconds.

    Trainer asks for one before it trains. Call it before there is a model that another one may
    follow, whose cycles would stay; later calls in the same process have no effect.
    """
    if not gc.get_freeze_count():
        gc.freeze()
    gc.set_threshold(*WORKING)


def postpone(package: str) -> None:
    """Load a package when it is first used, not when another one imports it.

    transformers imports torch wherever it is installed, which takes seconds, and a tokenizer needs
    nothing of it. Import `datasets` before transformers where both are needed: it looks for torch
    in a way that loads a package whose import is waiting.
    """
    _change_loader(package, lambda loader: importlib.util.LazyLoader(_WaitingLoader(loader)))


def load_in_parts(package: str, parts: dict[str, Any]) -> None:
    """Load a package when anything but some of its names is used.

    In contrast to `postpone`, a module of the package can be imported without it.

    Args:
        package: its full name.
        parts: name → its value until the package is loaded, or the module that has it, as text.
    """
    _change_loader(package, functools.partial(_PartsLoader, parts=parts))


def after_import(module: str, change: Hook) -> None:
    """Call a function with a module once it has been imported, before others see it."""
    _change_loader(module, functools.partial(_HookLoader, after=change))


def before_import(module: str, prepare: Hook) -> None:
    """Call a function with a module that is about to be filled."""
    _change_loader(module, functools.partial(_HookLoader, before=prepare))


def _nothing(_: ModuleType) -> None:
    pass


def _change_loader(module: str, make: Callable[[Any], Loader]) -> None:
    if module not in sys.modules:
        sys.meta_path.insert(0, _Finder(module, make))


class _Finder(MetaPathFinder):
    """Finds one module, and gives it another loader."""

    def __init__(self, module: str, make_loader: Callable[[Any], Loader]):
        self.module, self.make_loader = module, make_loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path) if fullname == self.module else None
        if spec is not None and spec.loader is not None:
            spec.loader = self.make_loader(spec.loader)
        return spec


class _WrappedLoader(Loader):
    """Does what another loader does."""

    def __init__(self, loader: Any):
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)


class _WaitingLoader(_WrappedLoader):
    """Loads a module that waited for its first use.

    It is a plain one before its code runs. From Python 3.12 on LazyLoader makes it one afterwards,
    and `delattr` of its own, which torch does, would call itself without end.
    """

    def exec_module(self, module: ModuleType) -> None:
        object.__setattr__(module, "__class__", ModuleType)
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        super().exec_module(module)


class _HookLoader(_WrappedLoader):
    def __init__(self, loader: Any, before: Hook = _nothing, after: Hook = _nothing):
        super().__init__(loader)
        self.before, self.after = before, after

    def exec_module(self, module: ModuleType) -> None:
        self.before(module)
        super().exec_module(module)
        self.after(module)


class _PartsLoader(_WrappedLoader):
    def __init__(self, loader: Any, parts: dict[str, Any]):
        super().__init__(loader)
        self.parts, self.lock = parts, threading.RLock()
        self.is_loading = self.is_loaded = False

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _ModuleInParts

    def get(self, module: Any, name: str) -> Any:
        """Return an attribute that the module lacks, after loading what has it."""
        with self.lock:  # another thread waits until all is there
            is_waiting = not (self.is_loading or self.is_loaded)
            if is_waiting and name != "__path__":  # which asks whether it is a package
                if name in self.parts:
                    part = self.parts[name]
                    is_elsewhere = isinstance(part, str)
                    return getattr(import_module(part), name) if is_elsewhere else part
                self.is_loading = True
                try:
                    super().exec_module(module)
                    module.__class__ = ModuleType
                    self.is_loaded = True
                finally:
                    self.is_loading = False
        if name in module.__dict__:
            return module.__dict__[name]
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")


class _ModuleInParts(ModuleType):
    def __getattr__(self, name: str) -> Any:
        spec: Any = self.__spec__
        return spec.loader.get(self, name)
