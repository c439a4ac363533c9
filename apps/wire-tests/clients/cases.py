"""What a case is: a function that is given a directory of its own. Registered under a name, run by run.py."""

ALL = {}


def case(name):
    def register(function):
        assert name not in ALL, name
        ALL[name] = function
        return function

    return register
