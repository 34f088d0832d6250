"""Checks that `temper check` makes before anything runs."""
