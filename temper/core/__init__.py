"""Shared by every stage: user errors, reproducible files, deterministic kernels."""
