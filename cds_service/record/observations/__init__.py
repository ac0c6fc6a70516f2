"""From Observations to readings: values judged, put in order, one result standing for each measurement."""
