"""The report as one HTML file, fit to mail: figures, tables, findings and what to do, how each number is defined."""
