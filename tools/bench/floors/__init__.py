"""The tightest programs we could write that do the same jobs with the same durability, and nothing else."""
