"""What both papers print, and what follows from their own tables."""
