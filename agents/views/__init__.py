"""What a person sees of a platform: cards for notebooks, pictures, a report; all of it within a deadline."""

from agents.views.looking import Look, look_at

__all__ = ["Look", "look_at"]
