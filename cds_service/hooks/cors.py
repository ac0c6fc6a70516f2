"""CORS for browser clients (checklist row T5): any origin outside production, never with credentials."""

from __future__ import annotations

from typing import Any

from cds_service.settings import Settings


def options(settings: Settings) -> dict[str, Any]:
    """Arguments for Starlette's CORSMiddleware. Production lists its origins (CDS_CORS_ORIGINS)."""
    return {
        "allow_origins": settings.cors_origins if settings.mode == "production" else ["*"],
        "allow_methods": ["GET", "POST", "PUT", "OPTIONS"],
        "allow_headers": ["*"],
        "expose_headers": ["Location", "ETag", "Retry-After"],
        "allow_credentials": False,
        "max_age": 600,
    }
