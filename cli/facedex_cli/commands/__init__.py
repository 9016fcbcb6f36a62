"""The ``facedex`` command's subcommands, a module each."""
