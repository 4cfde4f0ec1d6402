"""How good the masks are, and what that does to the score."""
