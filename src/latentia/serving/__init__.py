"""Trained runs over HTTP, for other programs: checked, limited, and answered together."""
