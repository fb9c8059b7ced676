"""The parts of classical propagation: working copies, one sweep through time, blending of sweeps."""
