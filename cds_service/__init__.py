"""MedGemma CDS: a CDS Hooks service that answers with checked, cited cards."""

__version__ = "0.1.0"
