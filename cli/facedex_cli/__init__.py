"""The ``facedex`` command: clients of the service, and what starts it on one machine."""
