"""The topics of an evaluation: which figure is measured on which data."""
