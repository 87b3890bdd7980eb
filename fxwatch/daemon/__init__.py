"""The service: what is watched is queued, explained in workers, and put into the store."""
