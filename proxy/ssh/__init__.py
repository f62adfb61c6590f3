"""The bind path `ssh://`: a port on an SSH server, its connections inside a login (ssh -R)."""
