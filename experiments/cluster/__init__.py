"""One training on several hosts: templates for Kubernetes and Slurm, and the program that each of their tasks runs."""
