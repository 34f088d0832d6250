"""A process starts faster, and what waits is there when it is used."""

import subprocess
import sys


def test_a_package_that_waits_is_imported_on_its_first_use(tmp_path, monkeypatch):
    """Until then it is only a name."""
    (tmp_path / "slow_package.py").write_text(
        "import sys\nprint('loaded')\nname, VALUE = 'VALUE', 3\n"
        "delattr(sys.modules[__name__], 'name')\n"  # as torch does
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = (
        "from temper.core import startup\nstartup.postpone('slow_package')\n"
        "import slow_package\nprint('waits')\nprint(slow_package.VALUE)\n"
        "print(hasattr(slow_package, 'name'), type(slow_package.__loader__).__name__)"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert out.split() == ["waits", "loaded", "3", "False", "SourceFileLoader"]


def test_a_package_in_parts_is_loaded_when_another_name_is_used(tmp_path, monkeypatch):
    """Its own modules, and the parts, can be had without it, and afterwards all is its own."""
    package = tmp_path / "slow_package"
    package.mkdir()
    (package / "__init__.py").write_text("print('loaded')\ndef half(): return 'real'\nVALUE = 3\n")
    (package / "module.py").write_text("PART = 7\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = (
        "from temper.core import startup\n"
        "parts = {'half': lambda: 'stand-in', 'PART': 'slow_package.module'}\n"
        "startup.load_in_parts('slow_package', parts)\n"
        "import slow_package\nfrom slow_package import PART, half\nprint(half(), PART)\n"
        "print(slow_package.VALUE, slow_package.half(), hasattr(slow_package, 'other'))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["stand-in 7", "loaded", "3 real False"]


def test_what_imports_leave_is_taken_out_of_the_garbage_collection_once():
    """A model that is built afterwards is collected, also after a second call."""
    code = (
        "import gc\nfrom temper.core import startup\nstartup.begin_imports()\n"
        "startup.end_imports()\ncount = gc.get_freeze_count()\n"
        "class Model: pass\nmodel = Model()\nmodel.itself = model\n"
        "startup.end_imports()\ndel model\n"
        "print(count > 1000, gc.get_freeze_count() <= count, gc.collect() > 0)\n"
        "print(gc.get_threshold() == startup.WORKING)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True).split() == ["True"] * 4
