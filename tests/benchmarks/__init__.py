"""Speed and memory, measured side by side in one run. Not collected by pytest: a figure is not a test."""
