"""Pictures of figures and examples: drawn once, under one theme, for reports and pages alike."""
