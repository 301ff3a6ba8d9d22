"""Label Studio's settings with a permission class of ours: its open edition has no user who may only look."""

from core.settings.base import *  # noqa: F403

_WITH_ROLES = {
    **REST_FRAMEWORK,  # noqa: F405
    "DEFAULT_PERMISSION_CLASSES": [
        "only_looks.OnlyLooks",
        "core.api_permissions.HasObjectPermission",
        "rest_framework.permissions.IsAuthenticated",
    ],
}
REST_FRAMEWORK = _WITH_ROLES  # read while the next line is still at work

from core.settings.label_studio import *  # noqa: E402, F403

REST_FRAMEWORK = _WITH_ROLES
