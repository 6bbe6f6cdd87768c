"""The condition types of Flux's kinds."""

READY = "Ready"
RECONCILING = "Reconciling"
STALLED = "Stalled"
HEALTHY = "Healthy"

FETCH_FAILED = "FetchFailed"
BUILD_FAILED = "BuildFailed"
INCLUDE_UNAVAILABLE = "IncludeUnavailable"
ARTIFACT_OUTDATED = "ArtifactOutdated"
ARTIFACT_IN_STORAGE = "ArtifactInStorage"
SOURCE_VERIFIED = "SourceVerified"
STORAGE_OPERATION_FAILED = "StorageOperationFailed"
