"""What ``metronome-sandbox check`` asks a target: generated requests, sequences along the links, and workflows."""
