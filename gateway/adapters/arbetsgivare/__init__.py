"""Employers, a class of partners: each may speak for itself only."""
