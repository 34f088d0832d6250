"""Read a running trial's validation scores from the journal that its training writes."""

import json
from pathlib import Path
from typing import Any


class TrialMonitor:
    """Follows the tracking journal of one trial.

    Args:
        folder: `tracking/` of the repository.
        name: of the trial's experiment.
        metric: of the validation split.
        first_step: of the first evaluation, where an earlier process has read it.
    """

    def __init__(self, folder: Path, name: str, metric: str, first_step: int | None = None):
        self.folder, self.name, self.key = folder, name, f"validation/{metric}"
        self.first_step, self.fingerprint = first_step, ""
        self.offsets: dict[Path, int] = {}  # bytes read so far; -1: another trial's journal

    def new_scores(self) -> list[tuple[int, float]]:
        """Return the scores since the last call, each with its evaluation's number from 1.

        Evaluations are counted rather than steps, whose number depends on the batch size.
        """
        scores = []
        for path in sorted(self.folder.glob("*.jsonl")):
            for record in self._new_records(path):
                score = record.get("metrics", {}).get(self.key)
                if score is not None and record.get("step"):
                    self.first_step = self.first_step or record["step"]
                    scores.append((max(1, round(record["step"] / self.first_step)), score))
        return scores

    def _new_records(self, path: Path) -> list[dict[str, Any]]:
        offset = self.offsets.get(path, 0)
        if offset < 0:
            return []
        try:
            with path.open("rb") as file:
                file.seek(offset)
                text = file.read()
        except OSError:  # uploaded and deleted
            return []
        complete = text[: text.rfind(b"\n") + 1]
        records = [json.loads(line) for line in complete.splitlines()]
        if offset == 0 and records:
            tags = records[0].get("tags", {})
            if tags.get("dvc.exp_name") != self.name:
                self.offsets[path] = -1
                return []
            self.fingerprint = tags.get("fingerprint", "")
        self.offsets[path] = offset + len(complete)
        return records
