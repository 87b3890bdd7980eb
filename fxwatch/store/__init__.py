"""Results on disk: written atomically by one daemon, read and tailed by everybody else."""
