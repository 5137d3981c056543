"""Demo and drills: break the demo services in a folder of their own and see what a real agent makes of it."""
