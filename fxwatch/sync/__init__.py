"""From the store to Weights & Biases: what was sent is noted on disk, and the rest waits there."""
