"""Arbetsförmedlingen: decisions on activity support."""
