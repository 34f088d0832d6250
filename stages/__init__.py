"""The DVC stages: each is run by `python -m stages.<name>`."""
