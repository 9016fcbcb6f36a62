"""Metrics and traces: their definitions, and the seam through which the other rooms report them.

The room imports nothing of the layer. Without a recorder, as in most functions and all commands, a
call of :mod:`~facedex.observability.recording` costs less than a microsecond.
"""
