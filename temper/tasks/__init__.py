"""One module per task; `task.name` names one. What they share is in `base`."""
