"""InstMatt: mattes of several people out of each other's masks, made to agree (Sun et al., CVPR 2022)."""
