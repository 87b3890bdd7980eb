"""The page at http://localhost:8051: the monitor in the browser, the reports, JSON and metrics; all of it read only."""
