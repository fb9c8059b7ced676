"""Parts that the networks of MSG-VIM, InstMatt and MaGGIe have in common, under the names of their weights."""
