"""Train the model that the engine ships: data, folds, forests, measures, the model file."""
