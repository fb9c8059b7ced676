"""Robust Video Matting: the alpha of everybody by a recurrent network, divided among the tracked people."""
