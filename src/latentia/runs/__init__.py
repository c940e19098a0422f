"""Runs: a trained model with its folder, its data and its history, made, opened and put to work."""
