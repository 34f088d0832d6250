"""Fine-tuning: model, batches, optimizer, losses, checkpoints and the engine that joins them."""
