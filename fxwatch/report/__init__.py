"""Reports on a stored analysis: the page `feature_importance_analysis.png`. Stands on records and store alone."""
