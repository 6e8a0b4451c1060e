"""Served models: templates for TensorFlow Serving and its proxy, canary and way back, a check of any endpoint."""
