"""What stands around the engine: set-up, tests, checks, training. The engine imports none of it."""
