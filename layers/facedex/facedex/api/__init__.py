"""The wire: what exists, how requests are read and checked, how answers and errors are written."""
