"""What every room stands on: errors, records, settings, safe files, noise, processes, threads."""
