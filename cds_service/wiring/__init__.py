"""The rooms of the composition root (``app.py``): each makes one kind of part from the settings."""
