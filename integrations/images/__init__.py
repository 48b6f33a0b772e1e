"""Root file systems that the operator offers in place of the host's /usr: folders, OCI layouts and archives."""
