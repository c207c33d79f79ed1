"""The MRML scene: nodes to a patient, a predicted dose to nodes. No Qt; it runs inside Slicer and headless alike."""
