"""Compare models on the same rows, for `temper compare`: paired tests and changed rows."""
