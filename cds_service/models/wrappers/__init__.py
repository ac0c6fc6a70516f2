"""What every engine is wrapped in, each part an Engine around an Engine: deadline ▸ limit ▸ breaker ▸ retry ▸ observed.

Where tracing is on, Traced stands around them all."""
