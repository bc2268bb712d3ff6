"""Everything on one machine: real servers from wheels, the processes of MatteForge, and what keeps
them up."""
