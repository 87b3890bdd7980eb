"""One thread of torch a test: two that wait for each other are slower by far where the machine has other work."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
