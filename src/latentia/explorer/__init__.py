"""The explorer: a page on which a person looks into a run, served or as files."""
