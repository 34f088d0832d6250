"""What `temper compare` computes: the same rows of several models, tests of their differences."""
