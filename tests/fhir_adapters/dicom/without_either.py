"""Preloaded: a kernel without seccomp, in a container that permits no namespace."""

from fhir_adapters.dicom import sandbox, seccomp

seccomp.forbid = lambda _libc: False
sandbox.own_network = lambda _libc: False
