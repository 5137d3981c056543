"""What happens to an alert; `respond.py` tells the story, each other module is one of its steps."""
