"""Questions to the image model, one module a task. A task knows its prompt and its answer, nothing of stores or cards."""
