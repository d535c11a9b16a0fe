"""The protocols of shipped code as scenarios, each of shipped functions or of a twin's."""
