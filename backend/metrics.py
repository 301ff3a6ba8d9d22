"""The Prometheus metrics of this process; `backend.reports` brings those of several processes together."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter("label_order_requests_total", "Requests answered.", ("endpoint", "status"), registry=REGISTRY)
REQUEST_SECONDS = Histogram(
    "label_order_request_seconds",
    "Time to answer a request.",
    ("endpoint",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 80),
    registry=REGISTRY,
)
IMAGES_EMBEDDED = Counter("label_order_images_embedded_total", "Images that got an embedding.", registry=REGISTRY)
CACHE_HITS = Counter(
    "label_order_cache_hits_total", "Predictions answered without reading the image.", registry=REGISTRY
)
IMAGE_FAILURES = Counter(
    "label_order_image_failures_total", "Images that could not be read.", ("reason",), registry=REGISTRY
)
EVENTS = Counter("label_order_events_total", "Webhook events received.", ("action",), registry=REGISTRY)
EVENTS_SPOOLED = Counter(
    "label_order_events_spooled_total", "Webhook events kept in files while the database failed.", registry=REGISTRY
)
JOBS = Counter("label_order_jobs_total", "Background jobs that ended.", ("kind", "status"), registry=REGISTRY)
QUEUE_DEPTH = Gauge("label_order_queue_depth", "Background jobs that wait.", registry=REGISTRY)
WINDOW_PUBLISHED = Counter(
    "label_order_windows_published_total", "Queue windows published to Label Studio.", registry=REGISTRY
)
SUGGESTIONS = Gauge(
    "label_order_suggestions",
    "Annotations that started from a suggestion: accepted as it was, or corrected.",
    ("project", "version", "outcome"),
    registry=REGISTRY,
)
