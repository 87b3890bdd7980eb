"""What a process that explains may use. To be called before torch is imported."""

import os


def limit_process(threads: int) -> None:
    """Use so many threads, and no GPU: the machine belongs to training."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
