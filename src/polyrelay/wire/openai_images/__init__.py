"""OpenAI images: generations, edits and variations, in JSON and as forms, whole and streamed (WIRE 1.2, 4.3)."""
