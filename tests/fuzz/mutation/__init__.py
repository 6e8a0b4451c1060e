"""Ways to spoil files of a kind that still look like their kind: random bytes hardly get past a magic number."""
