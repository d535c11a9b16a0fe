"""Orders, fences, bounds and rechecks of shipped code changed one by one: what notices?"""
