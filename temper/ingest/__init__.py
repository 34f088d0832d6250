"""Local files and the Hub → data/raw and data/base: read, select, split and encode rows."""
