"""The demo patients: readable charts with relative times, expanded to R4 resources around the start clock."""

from cds_service.web.simulator.patients.demo_patient import DemoPatient, load_patients, practitioners

__all__ = ["DemoPatient", "load_patients", "practitioners"]
