"""Reports of test runners: which tests a check command ran, without a change to the repository."""
