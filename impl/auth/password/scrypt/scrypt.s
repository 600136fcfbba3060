// Lets the compiler take functions without a body: their bodies are linked in from elsewhere.
