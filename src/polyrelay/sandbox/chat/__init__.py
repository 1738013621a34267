"""OpenAI chat completions (WIRE 4.1): the request, the answer that follows from it, its JSON and its chunks."""
