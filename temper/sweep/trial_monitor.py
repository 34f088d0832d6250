"""The journals that trainings write under tracking/ → scores while a trial runs."""

import json
from pathlib import Path
from typing import Any


class TrialMonitor:
    """One trial's training as its journal tells of it.

    Args:
        folder: `tracking/` of the repository.
        name: of the trial's experiment.
        metric: of the validation split.
        first_step: of the first evaluation where an earlier process has seen it, or None.
    """

    def __init__(self, folder: Path, name: str, metric: str, first_step: int | None = None):
        self.folder, self.name, self.key = folder, name, f"validation/{metric}"
        self.first_step, self.fingerprint = first_step, ""
        self.offsets: dict[Path, int] = {}  # bytes that were read; -1: another's journal

    def new_scores(self) -> list[tuple[int, float]]:
        """Return what was scored since the last call: (which evaluation, from 1; score).

        Evaluations are counted, not steps: an epoch has other steps with another batch size.
        """
        found = []
        for path in sorted(self.folder.glob("*.jsonl")):
            for record in self._new_lines(path):
                score = record.get("metrics", {}).get(self.key)
                if score is not None and record.get("step"):
                    self.first_step = self.first_step or record["step"]
                    found.append((max(1, round(record["step"] / self.first_step)), score))
        return found

    def _new_lines(self, path: Path) -> list[dict[str, Any]]:
        offset = self.offsets.get(path, 0)
        if offset < 0:
            return []
        try:
            with path.open("rb") as file:
                file.seek(offset)
                text = file.read()
        except OSError:  # sent and deleted
            return []
        whole = text[: text.rfind(b"\n") + 1]
        records = [json.loads(line) for line in whole.splitlines()]
        if offset == 0 and records:
            tags = records[0].get("tags", {})
            if tags.get("dvc.exp_name") != self.name:
                self.offsets[path] = -1
                return []
            self.fingerprint = tags.get("fingerprint", "")
        self.offsets[path] = offset + len(whole)
        return records
