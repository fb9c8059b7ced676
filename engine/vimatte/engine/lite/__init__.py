"""What the two networks that come with the program share: their encoder, their weights, what they are trained on."""
