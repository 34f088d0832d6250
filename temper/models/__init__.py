"""Networks: transformers' own classes, and those with a head of temper's or a custom class."""
