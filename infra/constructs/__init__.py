"""Parts of the stack, a module for each concern."""
