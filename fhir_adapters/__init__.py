"""The only code that talks to an EHR or a PACS. It imports nothing from ``cds_service``."""
