"""What evaluate computes: scores with intervals, baselines, tables, curves and the report."""
