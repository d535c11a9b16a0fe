"""The engine in hostile and unlucky circumstances; what may come of it is named before it runs."""
