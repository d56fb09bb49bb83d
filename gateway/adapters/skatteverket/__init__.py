"""Skatteverket: the population register and employers' declarations."""
