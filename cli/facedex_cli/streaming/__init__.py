"""Live streams from the command line: media is pushed into one, and who is seen is watched."""
