"""From the views of each kind of resource to the entries of the fact table: one module a kind."""
