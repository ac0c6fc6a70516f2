"""The calculators: one pure function each, declared with inputs, formula, sources and limits."""
