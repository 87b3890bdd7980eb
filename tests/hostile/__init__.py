"""What a stranger may have planted: nothing of it is run, and none of it costs more than itself."""
