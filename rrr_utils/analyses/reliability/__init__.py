"""Do explainers agree with each other and with themselves?"""
