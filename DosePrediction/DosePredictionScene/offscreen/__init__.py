"""Pictures of the scene without a screen, drawn by Slicer's own displayable managers."""
