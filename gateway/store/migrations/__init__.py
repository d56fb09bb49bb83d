"""Brings a database file to `store.schema`, step by step. A step is never edited once it was released."""
