"""The lab: runs scenarios as real processes on three machines, and reports what it saw."""
