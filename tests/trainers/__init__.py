"""Tests with the real trainers."""
