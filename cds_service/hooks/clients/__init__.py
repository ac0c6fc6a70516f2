"""Who calls: the proof that it is a client of this site, where its data may be fetched, and what it can take."""
