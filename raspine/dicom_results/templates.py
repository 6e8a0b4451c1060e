"""Rules"""
def check(dataset): return []
