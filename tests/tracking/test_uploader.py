"""What the store refuses keeps nothing else back."""

from types import SimpleNamespace

import pytest

from temper.tracking.run_writer import RunWriter


def test_a_refused_file_of_a_folder_keeps_no_other_back(tmp_path):
    """All the others are sent; then the refusal is raised, to be tried again."""
    for name in ("model/a.bin", "model/b.bin", "model/sub/c.bin", "note.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    sent = []

    def log_artifact(run_id, path, folder):
        if path.endswith("a.bin"):
            raise PermissionError("a.bin is refused")
        sent.append((path.removeprefix(f"{tmp_path}/"), folder))

    records = [
        {"kind": "artifact", "time_ms": 1, "file": "model", "folder": "model"},
        {"kind": "artifact", "time_ms": 2, "file": "note.txt", "folder": None},
    ]
    writer = RunWriter(SimpleNamespace(files=tmp_path, read=lambda: records))
    writer.run = SimpleNamespace(info=SimpleNamespace(run_id="r"))
    with pytest.raises(PermissionError, match=r"a\.bin is refused"):
        writer.send(SimpleNamespace(log_artifact=log_artifact))
    assert sent == [("model/b.bin", "model"), ("model/sub/c.bin", "model/sub"), ("note.txt", None)]
    assert writer.failed_files == records[:1]
