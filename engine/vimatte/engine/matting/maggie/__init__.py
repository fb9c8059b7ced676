"""MaGGIe: all people of a frame matted together, each refined only where uncertain (Huynh et al., CVPR 2024)."""
