"""Collections on their way to another model pack: originals found, looked at, switched."""
