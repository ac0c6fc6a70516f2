"""Preloaded: a kernel without seccomp."""

from fhir_adapters.dicom import seccomp

seccomp.forbid = lambda _libc: False
