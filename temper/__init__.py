"""Fine-tune a transformer from a lock file, and get the same bytes back every time."""
