"""Networks, their layers, the heatmap codec and weight conversion."""
