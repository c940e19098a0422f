"""Trained runs over HTTP: the service for other programs, and what the page is built on."""
