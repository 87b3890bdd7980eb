"""What fills the terminal: the overview, and one subject in full."""
