"""The console's files. They are built from ``console/`` by ``make console``, and committed."""
