"""Hyperparameter sweeps: each trial is a training in a git worktree and becomes an experiment.

Used by `temper sweep` and `temper best`; no stage imports it.
"""
