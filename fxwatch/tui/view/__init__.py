"""From a snapshot to lines of text: pure functions that know no screen."""
