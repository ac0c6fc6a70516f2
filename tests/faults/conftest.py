"""Makes the shared fixtures of the FHIR adapters known here."""

from tests.fhir_adapters.fixtures import client, ehr, outbound, running_server

__all__ = ["client", "ehr", "outbound", "running_server"]
