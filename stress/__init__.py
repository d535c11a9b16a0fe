"""The engine put to the test: races, crashes, floods. Nothing here is part of the product."""
