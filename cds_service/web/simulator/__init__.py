"""The EHR simulator of the demo and sandbox modes: an in-memory FHIR R4 server, its patients and its bad days."""
