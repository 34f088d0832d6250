"""Which labels to look at again, and which rows to label next: `temper doubts`, `temper next`."""
