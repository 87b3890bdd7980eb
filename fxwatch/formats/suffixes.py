"""The suffixes of files that fxwatch reads by itself: no package's adapter takes them over."""

CHECKPOINT_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".zip", ".safetensors", ".cleanrl_model"})
STATES_SUFFIXES = frozenset({".safetensors", ".npz"})
