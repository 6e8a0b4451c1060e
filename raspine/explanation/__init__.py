"""Where in the slices a network's risk comes from: maps, their pictures, and whether to believe them."""
