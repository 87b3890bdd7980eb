"""The parts of the page, one a file: each draws what an analysis says of one thing, or says why there is nothing."""
