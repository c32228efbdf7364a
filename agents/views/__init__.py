"""What a person sees of a platform: cards for notebooks, pictures, a report; all of it within a deadline."""

from agents.views.looking import Overview, look_at

__all__ = ["Overview", "look_at"]
