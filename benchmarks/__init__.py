"""What this project promises, measured."""
