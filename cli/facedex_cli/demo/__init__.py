"""``facedex demo``: index portraits, find them again in altered copies, draw the result."""
