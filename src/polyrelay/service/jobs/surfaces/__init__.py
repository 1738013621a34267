"""The surfaces of jobs: who may ask for what under which path. What is said there, in which words, is `wire`'s."""
