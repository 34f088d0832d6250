"""A page to try an exported model on, and the same page as a Space of the Hugging Face Hub."""
