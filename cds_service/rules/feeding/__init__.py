"""Feeding the calculators from a record: which values, how old, how far apart, and what to say where one is missing."""
