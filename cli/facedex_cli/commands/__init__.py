"""The subcommands of the ``facedex`` command."""
