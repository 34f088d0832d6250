"""A trained or exported model folder → predictions."""
