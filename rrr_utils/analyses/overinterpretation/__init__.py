"""Do small parts of an image suffice for the answer?"""
