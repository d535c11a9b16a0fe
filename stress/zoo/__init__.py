"""The zoo: twins of shipped code with one planted bug each, and which instruments find it."""
