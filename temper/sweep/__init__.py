"""A sweep.yaml → trials: each a training in a workspace of its own, an experiment when it ends.

`temper sweep` and `temper best` are made of this; no stage imports it.
"""
