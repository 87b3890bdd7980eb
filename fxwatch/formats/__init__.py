"""Recognise a checkpoint or a dump, and tell whether it is complete, from its bytes and name alone."""

from fxwatch.formats.dump_step import dump_step
from fxwatch.formats.names import kind_of, step_in_name
from fxwatch.formats.recognise import Format, Recognition, recognise

__all__ = ["Format", "Recognition", "dump_step", "kind_of", "recognise", "step_in_name"]
