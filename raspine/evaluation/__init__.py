"""Figures: landmark errors in millimetres and what follows from them."""
