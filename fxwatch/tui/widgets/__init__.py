"""One widget a file: each draws lines of a view, and reads nothing."""
