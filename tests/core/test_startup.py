"""A process starts faster, and what waits is there when it is used."""

import subprocess
import sys


def test_a_package_that_waits_is_imported_on_its_first_use(tmp_path, monkeypatch):
    """Until then it is only a name."""
    (tmp_path / "slow_package.py").write_text("print('loaded')\nVALUE = 3\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code = (
        "from temper.core import startup\nstartup.postpone('slow_package')\n"
        "import slow_package\nprint('waits')\nprint(slow_package.VALUE)"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert out.split() == ["waits", "loaded", "3"]
