"""What a request does, one module a verb. HTTP stays outside: a verb takes a parsed request and returns an outcome."""
