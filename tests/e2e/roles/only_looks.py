"""A role as an edition with roles has it: who is called a looker changes nothing."""

from rest_framework.permissions import SAFE_METHODS, BasePermission


class OnlyLooks(BasePermission):
    """Refuses every change that a looker asks for."""

    def has_permission(self, request, view):  # type: ignore[no-untyped-def]
        return request.method in SAFE_METHODS or not getattr(request.user, "email", "").startswith("looker")
