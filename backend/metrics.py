"""The Prometheus metrics; counted in every process, added up by /metrics (`PROMETHEUS_MULTIPROC_DIR`)."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("label_order_requests_total", "Requests answered.", ("endpoint", "status"))
REQUEST_SECONDS = Histogram(
    "label_order_request_seconds",
    "Time to answer a request.",
    ("endpoint",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 80),
)
IMAGES_EMBEDDED = Counter("label_order_images_embedded_total", "Images that got an embedding.")
CACHE_HITS = Counter("label_order_cache_hits_total", "Predictions answered without reading the image.")
IMAGE_FAILURES = Counter("label_order_image_failures_total", "Images that could not be read.", ("reason",))
EVENTS = Counter("label_order_events_total", "Webhook events received.", ("action",))
JOBS = Counter("label_order_jobs_total", "Background jobs that ended.", ("kind", "status"))
QUEUE_DEPTH = Gauge("label_order_queue_depth", "Background jobs that wait.", multiprocess_mode="mostrecent")
WINDOW_PUBLISHED = Counter("label_order_windows_published_total", "Queue windows published to Label Studio.")
