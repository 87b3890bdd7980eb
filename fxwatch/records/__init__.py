"""What an analysis is: frozen records, their thresholds, and the pure rules that make a verdict of them."""
