"""What people learn from a project: its mistakes, its coverage, its curve, photos by likeness. Read-only; figures as plain data."""
