"""What a request does, one module a verb. HTTP stays outside: a verb takes a parsed request and returns an answer.

``dispatch`` says which verb a method and a path mean; ``request`` has the two values that every verb speaks in.
"""
