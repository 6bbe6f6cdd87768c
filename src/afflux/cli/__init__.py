"""What people type. Each verb is a module under ``commands``; a verb parses, calls ``app`` and prints, nothing else."""
