"""Where data and models come from: local files, the Hub, and what makes their columns fit."""
