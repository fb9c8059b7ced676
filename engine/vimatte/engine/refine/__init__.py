"""What comes between masks and finished layers: trimaps, foreground colour, coupling."""
