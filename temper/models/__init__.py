"""Networks: transformers' classes, models with a temper head, and custom classes."""
