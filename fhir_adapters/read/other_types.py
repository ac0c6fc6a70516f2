"""R4 resource types that may stand in a Bundle and have no reader: they are counted, never an error.

Source: the resource list of FHIR R4 (https://hl7.org/fhir/R4/resourcelist.html), without the types that have a reader.
"""

from __future__ import annotations

from typing import cast

from msgspec import defstruct

from fhir_adapters.read.view import View

NAMES = (
    "Account", "ActivityDefinition", "AdverseEvent", "Appointment", "AppointmentResponse", "AuditEvent",
    "Basic", "Binary", "BiologicallyDerivedProduct", "BodyStructure", "CapabilityStatement", "CarePlan",
    "CareTeam", "CatalogEntry", "ChargeItem", "ChargeItemDefinition", "Claim", "ClaimResponse",
    "ClinicalImpression", "CodeSystem", "Communication", "CommunicationRequest", "CompartmentDefinition",
    "Composition", "ConceptMap", "Contract", "Coverage", "CoverageEligibilityRequest",
    "CoverageEligibilityResponse", "DetectedIssue", "Device", "DeviceDefinition", "DeviceMetric",
    "DeviceUseStatement", "DocumentManifest", "Endpoint", "EnrollmentRequest", "EnrollmentResponse",
    "EpisodeOfCare", "EventDefinition", "Evidence", "EvidenceVariable", "ExampleScenario",
    "ExplanationOfBenefit", "FamilyMemberHistory", "GraphDefinition", "Group", "GuidanceResponse",
    "HealthcareService", "ImmunizationEvaluation", "ImmunizationRecommendation", "ImplementationGuide",
    "InsurancePlan", "Invoice", "Library", "Linkage", "List", "Location", "Measure", "MeasureReport", "Media",
    "MedicationDispense", "MedicationKnowledge", "MessageDefinition", "MessageHeader", "MolecularSequence",
    "NamingSystem", "ObservationDefinition", "OperationDefinition", "Organization", "OrganizationAffiliation",
    "Parameters", "PaymentNotice", "PaymentReconciliation", "Person", "PlanDefinition", "Practitioner",
    "PractitionerRole", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson", "RequestGroup",
    "ResearchStudy", "ResearchSubject", "RiskAssessment", "Schedule", "SearchParameter", "Slot", "Specimen",
    "SpecimenDefinition", "StructureDefinition", "StructureMap", "Subscription", "Substance", "SupplyDelivery",
    "SupplyRequest", "Task", "TerminologyCapabilities", "TestReport", "TestScript", "ValueSet",
    "VerificationResult",
)  # fmt: skip

OTHER_TYPES: tuple[type[View], ...] = tuple(
    cast("type[View]", defstruct(f"{name}View", [], bases=(View,), tag=name, tag_field="resourceType", gc=False))
    for name in NAMES
)
