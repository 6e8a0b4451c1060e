"""Strategy, optimizer, loop and callbacks."""
