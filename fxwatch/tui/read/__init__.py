"""From the store to snapshots. All reading of files that the monitor does is done here."""
