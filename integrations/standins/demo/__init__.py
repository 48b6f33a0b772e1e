"""The demo: stand-ins, the real service, and a person who plays the story. Started by `infra/demo`."""
