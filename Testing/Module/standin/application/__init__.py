"""What stands for the Slicer application around a module: `slicer.app`, its managers, the module's own base classes."""
