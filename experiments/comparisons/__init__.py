"""What experiments.compare is made of."""
